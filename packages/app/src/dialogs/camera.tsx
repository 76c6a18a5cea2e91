import { useEffect, useRef, useState } from 'preact/hooks';
import { openCamera } from '../state/actions.js';
import { dialog } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

/** Reads a track frame by frame. Browsers without it cannot be a live source. */
interface Processor {
  readonly readable: ReadableStream<VideoFrame>;
}

type ProcessorClass = new (options: { track: MediaStreamTrack; maxBufferSize?: number }) => Processor;

export default function CameraDialog() {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useRef<MediaStream | undefined>(undefined);
  const taken = useRef(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const TrackProcessor = (globalThis as { MediaStreamTrackProcessor?: ProcessorClass }).MediaStreamTrackProcessor;
  useEffect(() => {
    if (!TrackProcessor) {
      setProblem(
        'This browser gives pages no frames of a camera. Chrome and Edge do; or record a video, and open that.',
      );
      return undefined;
    }
    let closed = false;
    navigator.mediaDevices
      .getUserMedia({ video: { width: { ideal: 854 }, height: { ideal: 480 } } })
      .then((opened) => {
        if (closed) for (const track of opened.getTracks()) track.stop();
        stream.current = opened;
        if (video.current) video.current.srcObject = opened;
      })
      .catch(({ name, message }) =>
        setProblem(
          name === 'NotAllowedError'
            ? 'The camera was not allowed. Allow it in the address bar, and try again.'
            : name === 'NotFoundError'
              ? 'There is no camera.'
              : message,
        ),
      );
    return () => {
      closed = true;
      if (!taken.current) for (const track of stream.current?.getTracks() ?? []) track.stop();
    };
  }, []);
  const begin = async () => {
    const track = stream.current?.getVideoTracks()[0];
    if (!track || !TrackProcessor) return;
    taken.current = true;
    dialog.value = undefined;
    if (!(await openCamera(new TrackProcessor({ track, maxBufferSize: 2 }).readable, track.label || 'Camera')))
      track.stop();
  };
  return (
    <Dialog
      title="Camera"
      footer={
        <Button
          kind="primary"
          icon="camera"
          label="Begin with this picture"
          disabled={problem !== undefined}
          onClick={begin}
        >
          Begin with this picture
        </Button>
      }
    >
      {problem ? <p class="warned">{problem}</p> : <video ref={video} class="camera" autoplay playsinline muted />}
      <p class="muted">
        Its picture stops while you click an object in it. Track, and it is followed live until you stop. Frames are not
        kept: masks are.
      </p>
    </Dialog>
  );
}
