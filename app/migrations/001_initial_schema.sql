CREATE TABLE users (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email         text NOT NULL,
  password_hash text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now()
);

-- One account per address, however it is capitalised.
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- The content lies in UPLOAD_DIR, in a file named after the id.
CREATE TABLE documents (
  id            uuid PRIMARY KEY,
  owner_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  original_name text NOT NULL,
  media_type    text NOT NULL,
  size          bigint NOT NULL CHECK (size >= 0),
  uploaded_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX documents_owner ON documents (owner_id, uploaded_at DESC);
