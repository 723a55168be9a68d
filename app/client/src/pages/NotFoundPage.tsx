import { Link } from 'react-router';

export function NotFoundPage() {
  return (
    <section className="card narrow">
      <title>Nicht gefunden · Stromhaltig</title>
      <h1>Seite nicht gefunden</h1>
      <p>
        Unter dieser Adresse gibt es nichts. <Link to="/">Zur Startseite</Link>
      </p>
    </section>
  );
}
