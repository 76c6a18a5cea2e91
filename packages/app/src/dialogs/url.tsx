import { useState } from 'preact/hooks';
import { openFiles } from '../state/actions.js';
import { attempt } from '../state/engine.js';
import { fetchFile } from '../state/models.js';
import { busy, dialog } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

export default function UrlDialog() {
  const [url, setUrl] = useState('');
  const valid = URL.canParse(url) && /^https?:/.test(url);
  const open = async () => {
    busy.value = `Fetching from ${new URL(url).host}`;
    dialog.value = undefined;
    const file = await attempt(() => fetchFile(url));
    busy.value = undefined;
    if (file) await openFiles([file]);
  };
  return (
    <Dialog
      title="Open a link"
      footer={
        <Button kind="primary" label="Open" disabled={!valid} onClick={open}>
          Open
        </Button>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) void open();
        }}
      >
        <label class="column">
          <span>Address of a video, image or zip</span>
          <input
            class="field"
            data-first=""
            type="url"
            value={url}
            placeholder="https://example.org/video.mp4"
            onInput={(event) => setUrl(event.currentTarget.value)}
          />
        </label>
      </form>
      <p class="muted">
        {valid
          ? `This page will fetch it from ${new URL(url).host}, which learns your address. It must allow that.`
          : 'The host must let pages read its files (CORS). Otherwise download it, and open the file.'}
      </p>
    </Dialog>
  );
}
