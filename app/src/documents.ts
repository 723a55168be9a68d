/** Documents: uploaded by streaming, stored under a random name, read by their owner alone. */

import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Router, type Request, type RequestHandler } from 'express';
import multer from 'multer';
import { z } from 'zod';
import { requireUser, userOf } from './auth.ts';
import type { Config } from './config.ts';
import { inTransaction } from './database.ts';
import { HttpError, requireType, validate } from './errors.ts';
import { recordEvent } from './events.ts';
import { PARTIAL } from './partial.ts';
import type { Services } from './services.ts';

/** Milliseconds after which nobody can be writing a partial file any more. */
const ABANDONED = 24 * 3600 * 1000;

/** Bytes of a multipart body around its file, at most. */
const ENVELOPE = 64 * 1024;

interface Document {
  id: string;
  name: string;
  mediaType: string;
  size: number;
  uploadedAt: Date;
}

const COLUMNS = `id, original_name AS name, media_type AS "mediaType", size::float8 AS size, uploaded_at AS "uploadedAt"`;

export function documentRoutes(services: Services): Router {
  const { config, pool } = services;
  return Router()
    .use(requireUser(services))
    .post(
      '/upload',
      requireType('multipart/form-data'),
      refuseTooLarge(config.MAX_FILE_SIZE),
      receiveFile(config),
      async (req, res) => {
        if (!req.file) throw new HttpError(400, 'There is no file in the field "file"');
        res.status(201).json(await keep(services, req, req.file));
      },
    )
    .get('/', async (req, res) => {
      const { rows } = await pool.query<Document>(
        `SELECT ${COLUMNS} FROM documents WHERE owner_id = $1 ORDER BY uploaded_at DESC LIMIT 500`,
        [userOf(req).id],
      );
      res.json({ documents: rows });
    })
    .get('/:id', async (req, res) => {
      const id = validate(z.uuid(), req.params.id);
      const { rows } = await pool.query<Document>(
        `SELECT ${COLUMNS} FROM documents WHERE id = $1 AND owner_id = $2`,
        [id, userOf(req).id],
      );
      const document = rows[0];
      if (!document) throw new HttpError(404, 'There is no such document');
      // As an attachment: never shown in our own origin, whatever type the uploader claimed.
      res.download(document.id, document.name, {
        root: config.UPLOAD_DIR,
        cacheControl: false,
        headers: { 'Content-Type': document.mediaType },
      });
    });
}

/** Refuse by the announced length, before anything is read; what is sent all the same is discarded. */
function refuseTooLarge(limit: number): RequestHandler {
  return (req, _res, next) => {
    if (Number(req.get('Content-Length') ?? 0) > limit + ENVELOPE) throw tooLarge(limit);
    next();
  };
}

/** Streams the field "file" into a partial file, flushed to the disk. Removes it when the client leaves. */
function receiveFile({ MAX_FILE_SIZE, UPLOAD_DIR }: Config): RequestHandler {
  const options: multer.DiskStorageOptions & { flush: boolean } = {
    destination: UPLOAD_DIR,
    filename: (_req, _file, done) => { done(null, randomUUID() + PARTIAL); },
    // Not in the library's types yet.
    flush: true,
  };
  const storage = multer.diskStorage(options);
  const limits = { fileSize: MAX_FILE_SIZE, files: 1, fields: 10, parts: 11, fieldSize: 1024 };
  const receive = multer({ storage, limits, defParamCharset: 'utf8' }).single('file');
  return (req, res, next) => {
    void receive(req, res, (error: unknown) => { next(error && toRefusal(error as Error, MAX_FILE_SIZE)); });
  };
}

/** What the client is told about an upload that failed; what the disk did remains our error. */
function toRefusal(error: Error & { code?: string }, limit: number): Error {
  if (error.code === 'LIMIT_FILE_SIZE') return tooLarge(limit);
  if (error.code === 'LIMIT_UNEXPECTED_FILE' || error.code === 'LIMIT_FILE_COUNT') {
    return new HttpError(400, 'Send one file, in the field "file"');
  }
  if (error.code === 'ENOSPC') return new HttpError(507, 'There is no room for the file');
  return 'syscall' in error ? error : new HttpError(400, `The upload cannot be read: ${error.message}`);
}

/** @param limit in bytes. */
function tooLarge(limit: number): HttpError {
  return new HttpError(413, `The file is larger than ${limit} bytes, the most that is accepted`);
}

/** Give a received file its final name and its row: both, or neither. */
async function keep(services: Services, req: Request, file: Express.Multer.File): Promise<Document> {
  const { config, pool } = services;
  const id = path.basename(file.filename, PARTIAL);
  const destination = path.join(config.UPLOAD_DIR, id);
  const owner = userOf(req).id;
  try {
    return await inTransaction(pool, async (client) => {
      const { rows } = await client.query<Document>(
        `INSERT INTO documents (id, owner_id, original_name, media_type, size)
         VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
        [id, owner, safeName(file.originalname), file.mimetype, file.size],
      );
      await recordEvent(client, req, 'document.uploaded', owner, { document: id });
      await rename(file.path, destination);
      await flushDirectory(config.UPLOAD_DIR);
      return rows[0] as Document;
    });
  } catch (error) {
    await rm(file.path, { force: true });
    // A connection that is lost during COMMIT leaves open what became of it.
    if (await isMissing(services, id)) await rm(destination, { force: true });
    throw error;
  }
}

/** Whether the database has no such document, for sure. */
async function isMissing({ pool, logger }: Services, id: string): Promise<boolean> {
  try {
    const { rowCount } = await pool.query('SELECT 1 FROM documents WHERE id = $1', [id]);
    return rowCount === 0;
  } catch (err) {
    logger.warn({ err, document: id }, 'Keeping a file that may have no document');
    return false;
  }
}

/** Without it, a power failure could take the new name away again. */
async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory);
  await handle.sync().finally(() => handle.close());
}

/** What a file is called where it came from: no directories, nothing invisible, no name that only an ending is. */
export function safeName(name: string): string {
  const base = name.normalize('NFC').split(/[\\/]/).at(-1) ?? '';
  const visible = base.replace(/\p{C}/gu, '').trim().replace(/^\.+/, '');
  return Array.from(visible).slice(0, 200).join('') || 'unnamed';
}

/** Remove what a killed process left half-written. Younger files may belong to another process that lives. */
export async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith(PARTIAL)) continue;
    const file = path.join(directory, name);
    if (Date.now() - (await lastWritten(file)) > ABANDONED) await rm(file, { force: true });
  }
}

/** Milliseconds since 1970; now, for a file that its own process has just renamed or removed. */
async function lastWritten(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Date.now();
    throw error;
  }
}
