import { useEffect, useRef, useState } from 'react';

import { ApiError, uploadDocument } from '../api';
import { useSession, useToken } from '../session';

type State =
  | { step: 'choosing'; error?: string }
  | { step: 'sending'; name: string; share: number }
  | { step: 'done'; name: string };

/** Uploads one file at a time and shows how far it is. */
export function UploadForm({ onUploaded }: { onUploaded: () => void }) {
  const token = useToken();
  const { signOut } = useSession();
  const [file, setFile] = useState<File>();
  const [state, setState] = useState<State>({ step: 'choosing' });
  const cancel = useRef(new AbortController());

  useEffect(
    () => () => {
      cancel.current.abort();
    },
    [],
  );

  const send = async (form: HTMLFormElement) => {
    if (!file) return;
    cancel.current = new AbortController();
    setState({ step: 'sending', name: file.name, share: 0 });
    try {
      await uploadDocument(token, file, {
        signal: cancel.current.signal,
        onProgress: (share) => {
          setState({ step: 'sending', name: file.name, share });
        },
      });
      setState({ step: 'done', name: file.name });
      form.reset();
      setFile(undefined);
      onUploaded();
    } catch (problem) {
      if (cancel.current.signal.aborted) setState({ step: 'choosing' });
      else if (problem instanceof ApiError && problem.status === 401) signOut();
      else setState({ step: 'choosing', error: (problem as Error).message });
    }
  };

  return (
    <form
      className="card"
      onSubmit={(event) => {
        event.preventDefault();
        void send(event.currentTarget);
      }}
    >
      <label htmlFor="file">Neues Dokument</label>
      <div className="row">
        <input
          id="file"
          type="file"
          disabled={state.step === 'sending'}
          onChange={({ target }) => {
            setFile(target.files?.[0]);
            setState({ step: 'choosing' });
          }}
        />
        {state.step === 'sending' ? (
          <button
            type="button"
            className="quiet"
            onClick={() => {
              cancel.current.abort();
            }}
          >
            Abbrechen
          </button>
        ) : (
          <button type="submit" disabled={!file}>
            Hochladen
          </button>
        )}
      </div>
      {state.step === 'sending' && (
        <progress value={state.share} aria-label={`${state.name} wird hochgeladen`}>
          {Math.round(state.share * 100)} %
        </progress>
      )}
      {state.step === 'choosing' && state.error && (
        <p role="alert" className="error">
          {state.error}
        </p>
      )}
      <p role="status">{state.step === 'done' && `„${state.name}“ ist hochgeladen.`}</p>
    </form>
  );
}
