import { closeProject } from '../state/actions.js';
import { commandById } from '../state/commands.js';
import { chooseFile, chooseFolder } from '../state/pickers.js';
import { dialog, isRunning, project, saved, source } from '../state/view.js';
import { Button, CommandButton } from './button.js';
import { Menu } from './menu.js';

const savedAt = () =>
  saved.value && new Date(saved.value).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path
        class="logo-frame"
        d="M4 10V6a2 2 0 012-2h4M22 4h4a2 2 0 012 2v4M28 22v4a2 2 0 01-2 2h-4M10 28H6a2 2 0 01-2-2v-4"
      />
      <path class="logo-shape" d="M10 20c-1-6 2-10 6-10s8 3 6 8-3 4-6 4-5 2-6-2z" />
    </svg>
  );
}

export function TopBar() {
  const open = project.value;
  return (
    <header class="topbar" data-region="topbar">
      <div class="topbar-left">
        {open ? (
          <Button icon="home" label="Close the project" kind="quiet" onClick={closeProject} />
        ) : (
          <span class="brand">
            <Logo />
            SAMTrack
          </span>
        )}
        {open && (
          <div class="title">
            <strong>{source.value?.name}</strong>
            <span class="saved">
              {open.readOnly ? 'read-only: open in another tab' : savedAt() ? `saved ${savedAt()}` : 'not changed yet'}
            </span>
          </div>
        )}
      </div>
      {open && (
        <div class="topbar-middle">
          <CommandButton id="undo" icon="undo" kind="quiet" disabled={!open.canUndo || open.readOnly} />
          <CommandButton id="redo" icon="redo" kind="quiet" disabled={!open.canRedo || open.readOnly} />
        </div>
      )}
      <div class="topbar-right">
        <Button
          icon="models"
          label="Models"
          kind="quiet"
          onClick={() => {
            dialog.value = 'models';
          }}
        >
          Models
        </Button>
        <Menu
          label="More"
          items={[
            ...(open
              ? [
                  { label: 'Open another video', icon: 'folder' as const, run: chooseFile },
                  { label: 'Open an image folder', icon: 'film' as const, run: chooseFolder },
                  { label: 'Save a copy of the project', icon: 'download' as const, run: commandById('save').run },
                ]
              : []),
            { label: 'Search for a command', icon: 'zoom', run: commandById('commands').run },
            { label: 'Settings', icon: 'settings', run: commandById('settings').run },
            { label: 'Shortcuts and help', icon: 'help', run: commandById('help').run },
            { label: 'Diagnostics', icon: 'info', run: commandById('diagnostics').run },
          ]}
        />
        {open && (
          <CommandButton id="export" icon="export" kind="primary" disabled={isRunning.value} label="Export">
            Export
          </CommandButton>
        )}
      </div>
    </header>
  );
}
