import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { authenticate, type User } from './auth.ts';
import { HttpError, toHttpError } from './errors.ts';
import type { Services } from './services.ts';

const PATH = '/api/ws';

/** The subprotocol that is agreed on; the token comes as a second one, since browsers can send no headers here. */
const PROTOCOL = 'bearer';

/** Bytes of the largest message. */
const MAX_MESSAGE = 64 * 1024;

/** Bytes that may wait for a client to read them: a few messages. */
const MAX_BACKLOG = 4 * MAX_MESSAGE;

/** Connections of one user: tabs and devices. */
const MAX_CONNECTIONS = 20;

/** Milliseconds between pings: below the 60 s after which proxies close what is silent. */
const HEARTBEAT = 30_000;

/** Close codes of RFC 6455. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

interface Connection {
  /** Answered the last ping. */
  alive: boolean;
  expires: Date;
  userId: string;
}

/** Serves an authenticated echo on /api/ws. */
export class WebSockets {
  private readonly server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    handleProtocols: () => PROTOCOL,
  });
  private readonly connections = new Map<WebSocket, Connection>();
  private readonly heartbeat = setInterval(() => { this.beat(); }, HEARTBEAT).unref();

  constructor(
    httpServer: Server,
    private readonly services: Services,
  ) {
    httpServer.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      void this.upgrade(request, socket, head);
    });
  }

  /** Tell every client to connect elsewhere. Those that do not answer are cut off when the server ends. */
  close(): void {
    clearInterval(this.heartbeat);
    for (const socket of this.connections.keys()) socket.close(GOING_AWAY, 'The server is restarting');
  }

  terminate(): void {
    for (const socket of this.connections.keys()) socket.terminate();
  }

  private async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      if (request.url?.split('?')[0] !== PATH) throw new HttpError(404, `WebSockets are at ${PATH}`);
      if (this.services.draining) throw new HttpError(503, 'The server is restarting');
      const { user, expires } = await authenticate(this.services, tokenOf(request));
      if (this.connectionsOf(user) >= MAX_CONNECTIONS) throw new HttpError(429, 'Too many connections; close some');
      this.server.handleUpgrade(request, socket, head, (client) => { this.serve(client, user, expires); });
    } catch (error) {
      const { status, message } = toHttpError(error);
      const { logger } = this.services;
      if (status >= 500) logger.error({ err: error }, 'WebSocket refused');
      else logger.info({ status, reason: message }, 'WebSocket refused');
      const body = JSON.stringify({ error: message });
      // The server leaves upgraded connections half open.
      socket.once('finish', () => socket.destroy());
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }
  }

  private connectionsOf(user: User): number {
    return [...this.connections.values()].filter(({ userId }) => userId === user.id).length;
  }

  private serve(socket: WebSocket, user: User, expires: Date): void {
    const connection = { alive: true, expires, userId: user.id };
    this.connections.set(socket, connection);
    socket.on('message', (data, isBinary) => {
      if (socket.bufferedAmount > MAX_BACKLOG) socket.close(TRY_AGAIN_LATER, 'Read what was sent before');
      else socket.send(data, { binary: isBinary });
    });
    socket.on('pong', () => { connection.alive = true; });
    socket.on('error', (err) => { this.services.logger.debug({ err }, 'WebSocket failed'); });
    socket.on('close', () => this.connections.delete(socket));
    // Signed in while the server began to stop.
    if (this.services.draining) socket.close(GOING_AWAY, 'The server is restarting');
  }

  private beat(): void {
    for (const [socket, connection] of this.connections) {
      if (!connection.alive) socket.terminate();
      else if (connection.expires.getTime() <= Date.now()) socket.close(POLICY_VIOLATION, 'The session has expired');
      else socket.ping();
      connection.alive = false;
    }
  }
}

function tokenOf(request: IncomingMessage): string {
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
  if (protocols[0] !== PROTOCOL || !protocols[1]) {
    throw new HttpError(401, `Send the subprotocols "${PROTOCOL}" and the token`);
  }
  return protocols[1];
}
