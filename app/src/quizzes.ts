import { json, Router } from 'express';
import { z } from 'zod';
import { requireUser, userOf } from './auth.ts';
import { HttpError, requireType, validate } from './errors.ts';
import { cached } from './redis.ts';
import type { Services } from './services.ts';

/** Seconds for which the list may be old. */
const CACHE = 60;

interface Quiz {
  id: number;
  title: string;
  description: string;
  questions: { id: number; question: string; choices: string[] }[];
}

const quizId = z.coerce.number().int().min(1).max(2 ** 31 - 1);

/** The index of the chosen answer for each question, in order. */
const submission = z.strictObject({ answers: z.array(z.int().min(0)).max(1000) });

export function quizRoutes(services: Services): Router {
  const { config, pool, redis } = services;
  return Router()
    .get('/', async (_req, res) => {
      const load = () => loadQuizzes(services);
      const quizzes = config.ENABLE_CACHE && redis ? await cached(redis, 'quizzes', CACHE, load) : await load();
      res.json({ quizzes });
    })
    .post(
      '/:id/results',
      requireUser(services),
      requireType('application/json'),
      json({ limit: '10kb' }),
      async (req, res) => {
        const id = validate(quizId, req.params['id']);
        const { answers } = validate(submission, req.body);
        const { rows } = await pool.query<{ answer: number }>(
          'SELECT answer FROM quiz_questions WHERE quiz_id = $1 ORDER BY position',
          [id],
        );
        if (rows.length === 0) throw new HttpError(404, 'There is no such quiz');
        if (rows.length !== answers.length) {
          throw new HttpError(400, `answers: the quiz has ${rows.length} questions, and these are ${answers.length}`);
        }
        const correct = rows.filter(({ answer }, index) => answer === answers[index]).length;
        await pool.query('INSERT INTO quiz_results (quiz_id, user_id, correct, total) VALUES ($1, $2, $3, $4)', [
          id,
          userOf(req).id,
          correct,
          rows.length,
        ]);
        res.status(201).json({ correct, total: rows.length });
      },
    );
}

async function loadQuizzes({ pool }: Services): Promise<Quiz[]> {
  const { rows } = await pool.query<Quiz>(`
    SELECT quizzes.id, title, description,
           json_agg(json_build_object('id', q.id, 'question', q.question, 'choices', q.choices) ORDER BY q.position)
             AS questions
    FROM quizzes JOIN quiz_questions q ON q.quiz_id = quizzes.id
    GROUP BY quizzes.id ORDER BY quizzes.id`);
  return rows;
}
