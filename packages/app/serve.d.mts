import type { Server } from 'node:http';

/** Serves a built page to this machine. Port 0 is any that is free. */
export function serveFolder(folder: string, port?: number): Promise<{ server: Server; origin: string }>;
