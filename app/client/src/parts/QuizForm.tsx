import { useState } from 'react';

import { ApiError, submitAnswers } from '../api';
import type { Quiz, QuizResult } from '../api';
import { useSession, useToken } from '../session';

/** Asks a quiz's questions and says how many answers were right. */
export function QuizForm({ quiz }: { quiz: Quiz }) {
  const token = useToken();
  const { signOut } = useSession();
  const [result, setResult] = useState<QuizResult>();
  const [error, setError] = useState<string>();

  const submit = async (fields: FormData) => {
    const answers = quiz.questions.map(({ id }) => Number(fields.get(String(id))));
    setResult(undefined);
    setError(undefined);
    try {
      setResult(await submitAnswers(token, quiz.id, answers));
    } catch (problem) {
      if (problem instanceof ApiError && problem.status === 401) signOut();
      else setError((problem as Error).message);
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}
    >
      {quiz.questions.map(({ id, question, choices }) => (
        <fieldset key={id}>
          <legend>{question}</legend>
          {choices.map((choice, index) => (
            <label key={choice} className="choice">
              <input type="radio" name={String(id)} value={index} required /> {choice}
            </label>
          ))}
        </fieldset>
      ))}
      <button type="submit">Auswerten</button>
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      <p role="status">
        {result && `${result.correct} von ${result.total} Antworten sind richtig.`}
      </p>
    </form>
  );
}
