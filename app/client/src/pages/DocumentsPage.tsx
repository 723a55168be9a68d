import { useState } from 'react';

import { downloadDocument, listDocuments } from '../api';
import type { StoredDocument } from '../api';
import { formatSize, formatTime } from '../format';
import { UploadForm } from '../parts/UploadForm';
import { useToken } from '../session';
import { useLoaded } from '../useLoaded';

export function DocumentsPage() {
  const { data: documents, error, reload } = useLoaded(listDocuments);

  return (
    <>
      <title>Dokumente · Stromhaltig</title>
      <h1>Dokumente</h1>
      <UploadForm onUploaded={reload} />
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      {!documents && !error && <p>Wird geladen …</p>}
      {documents?.length === 0 && <p>Noch keine Dokumente.</p>}
      {documents && documents.length > 0 && <DocumentTable documents={documents} />}
    </>
  );
}

function DocumentTable({ documents }: { documents: StoredDocument[] }) {
  const token = useToken();
  const [error, setError] = useState<string>();

  const save = async ({ id, name }: StoredDocument) => {
    setError(undefined);
    try {
      offer(await downloadDocument(token, id), name);
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };

  return (
    <div className="scroll">
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      <table>
        <caption>Ihre hochgeladenen Dokumente, das neueste zuerst</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Größe</th>
            <th scope="col">Hochgeladen</th>
            <th scope="col">Aktion</th>
          </tr>
        </thead>
        <tbody>
          {documents.map((document) => (
            <tr key={document.id}>
              <th scope="row">{document.name}</th>
              <td>{formatSize(document.size)}</td>
              <td>{formatTime(document.uploadedAt)}</td>
              <td>
                <button
                  type="button"
                  className="quiet"
                  aria-label={`${document.name} herunterladen`}
                  onClick={() => void save(document)}
                >
                  Herunterladen
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Lets the browser save what came with a token, which a plain link could not send. */
function offer(content: Blob, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
