import { Navigate, Route, Routes } from 'react-router';

import { DocumentsPage } from './pages/DocumentsPage';
import { LoginPage } from './pages/LoginPage';
import { NotFoundPage } from './pages/NotFoundPage';
import { QuizzesPage } from './pages/QuizzesPage';
import { Layout } from './parts/Layout';
import { RequireSession } from './parts/RequireSession';

export function App() {
  return (
    <Routes>
      <Route element={<Layout />}>
        <Route index element={<Navigate to="/dokumente" replace />} />
        <Route path="anmelden" element={<LoginPage />} />
        <Route element={<RequireSession />}>
          <Route path="dokumente" element={<DocumentsPage />} />
          <Route path="quiz" element={<QuizzesPage />} />
        </Route>
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  );
}
