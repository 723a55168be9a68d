CREATE TABLE quizzes (
  id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  title       text NOT NULL,
  description text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE quiz_questions (
  id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  quiz_id  integer NOT NULL REFERENCES quizzes ON DELETE CASCADE,
  position integer NOT NULL,
  question text NOT NULL,
  choices  text[] NOT NULL CHECK (cardinality(choices) >= 2),
  -- Index into choices, from 0.
  answer   integer NOT NULL CHECK (answer >= 0 AND answer < cardinality(choices)),
  UNIQUE (quiz_id, position)
);

CREATE TABLE quiz_results (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  quiz_id  integer NOT NULL REFERENCES quizzes ON DELETE CASCADE,
  user_id  uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  correct  integer NOT NULL,
  total    integer NOT NULL CHECK (correct BETWEEN 0 AND total),
  taken_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX quiz_results_user ON quiz_results (user_id, taken_at DESC);

WITH quiz AS (
  INSERT INTO quizzes (title, description)
  VALUES ('Dynamische Stromtarife', 'Drei Fragen zu Preisen, Messung und Netz.')
  RETURNING id
)
INSERT INTO quiz_questions (quiz_id, position, question, choices, answer)
SELECT quiz.id, q.position, q.question, q.choices, q.answer
FROM quiz, (VALUES
  (1, 'Wonach richtet sich der Arbeitspreis eines dynamischen Stromtarifs?',
   ARRAY['Nach dem Preis an der Strombörse', 'Nach dem Jahresverbrauch', 'Nach der Postleitzahl'], 0),
  (2, 'Welche Messung setzt ein viertelstündlich abgerechneter Tarif voraus?',
   ARRAY['Einen Drehstromzähler', 'Ein intelligentes Messsystem', 'Keine'], 1),
  (3, 'Mit welcher Frequenz wird das europäische Verbundnetz betrieben?',
   ARRAY['60 Hz', '16,7 Hz', '50 Hz'], 2)
) AS q (position, question, choices, answer);
