/** Pictures of 24 x 24, drawn with lines of 1.75. */
const PATHS = {
  select: 'M6 4l12 7.5-5.2 1.3 3 5.4-2.3 1.3-3-5.5L6.6 18z',
  point: 'M12 5v14M5 12h14',
  box: 'M5 8V5h3M16 5h3v3M19 16v3h-3M8 19H5v-3',
  stroke: 'M4 16c3-9 6-9 8-4s5 5 8-4',
  brush: 'M14.5 4.5l5 5L11 18l-5-5zM6 13c-2 1-2 4-3.5 6C6 20 9.500 20 11 18',
  eraser: 'M9 19l-5-5 9.500-9.500 6 6L11 19zM8 9.500l6 6M9 19h11',
  polygon: 'M12 4l8 6-3 9H7l-3-9z',
  text: 'M5 7V5h14v2M12 5v14M9 19h6',
  everything:
    'M12 3l1.800 5.200L19 10l-5.200 1.800L12 17l-1.800-5.200L5 10l5.200-1.800zM18.500 16l.8 2.200 2.200.8-2.200.8-.8 2.200-.8-2.200-2.200-.8 2.200-.8z',
  mask: 'M4 5h16v14H4zM8 15c0-4 3-7 5.500-7S17 10 16 12s-2 4-4 4-4 1-4-1z',
  undo: 'M9 7L4.500 11.500 9 16M5 11.500h9a5 5 0 010 10h-3',
  redo: 'M15 7l4.500 4.500L15 16M19 11.500h-9a5 5 0 000 10h3',
  play: 'M8 5l11 7-11 7z',
  pause: 'M8 5v14M16 5v14',
  first: 'M7 5v14M18 6l-8 6 8 6z',
  last: 'M17 5v14M6 6l8 6-8 6z',
  previous: 'M15 6l-7 6 7 6',
  next: 'M9 6l7 6-7 6',
  forward: 'M4 12h14M13 6l6 6-6 6',
  backward: 'M20 12H6M11 6l-6 6 6 6',
  both: 'M3 12h18M8 7l-5 5 5 5M16 7l5 5-5 5',
  stop: 'M7 7h10v10H7z',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.500a2.500 2.500 0 100 5 2.500 2.500 0 000-5z',
  'eye-off':
    'M4 4l16 16M9.500 6c.8-.3 1.600-.5 2.500-.5 6 0 9.500 6.500 9.500 6.500s-1 1.800-2.800 3.500M6 8.300C3.700 9.900 2.500 12 2.500 12S6 18.500 12 18.500c1 0 2-.2 2.900-.5',
  lock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 017 0v3',
  unlock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 016.800-1.200',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  export: 'M12 15V4M8 8l4-4 4 4M5 14v5h14v-5',
  download: 'M12 4v11M8 11l4 4 4-4M5 19h14',
  models: 'M12 3l8 4.500v9L12 21l-8-4.500v-9zM4 7.500l8 4.500 8-4.500M12 12v9',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
  help: 'M9 9a3 3 0 116 0c0 2-3 2.200-3 4.500M12 17.500v.01M12 21a9 9 0 100-18 9 9 0 000 18z',
  folder: 'M3.500 6h6l2 2.500h9V19h-17z',
  film: 'M4 5h16v14H4zM8 5v14M16 5v14M4 9.500h4M4 14.500h4M16 9.500h4M16 14.500h4',
  camera: 'M3.500 7h11v10h-11zM14.500 10.500l6-3v9l-6-3z',
  link: 'M10 14a4 4 0 010-5.500l3-3A3.900 3.900 0 0118.500 11L17 12.500M14 10a4 4 0 010 5.500l-3 3A3.900 3.900 0 015.500 13L7 11.500',
  zoom: 'M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l4.500 4.500',
  fit: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  warning: 'M12 4l9 16H3zM12 10v4.500M12 17.500v.01',
  info: 'M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5.500M12 7.500v.01',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  merge: 'M5 5c0 6 7 4 7 10v4M19 5c0 6-7 4-7 10M9 16l3 3 3-3',
  split: 'M12 4v5c0 5-6 4-6 10M12 9c0 5 6 4 6 10M3.500 16.500L6 19l2.500-2.500M15.500 16.500L18 19l2.500-2.500',
  trash: 'M5 7h14M10 4h4M7 7l1 13h8l1-13M10.500 11v5.500M13.500 11v5.500',
  target: 'M12 19a7 7 0 100-14 7 7 0 000 14zM12 2.500v4M12 17.500v4M2.500 12h4M17.500 12h4',
  score: 'M5 20V11M12 20V4M19 20v-6M3 20h18',
  copy: 'M8 8h11v11H8zM5 15V5h10',
  home: 'M4 11l8-7 8 7M6.500 9.500V20h11V9.500',
} as const;

export type IconName = keyof typeof PATHS;

/** A picture that says nothing by itself: its button has a name. */
export function Icon({ name, filled }: { name: IconName; filled?: boolean }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" data-filled={filled ? '' : undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
