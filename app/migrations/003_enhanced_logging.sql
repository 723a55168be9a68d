-- What users did, kept when the account is gone.
CREATE TABLE event_log (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at timestamptz NOT NULL DEFAULT now(),
  kind        text NOT NULL,
  user_id     uuid REFERENCES users ON DELETE SET NULL,
  ip          inet,
  user_agent  text,
  details     jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX event_log_time ON event_log (occurred_at);
CREATE INDEX event_log_user ON event_log (user_id, occurred_at);
