import { listQuizzes } from '../api';
import { QuizForm } from '../parts/QuizForm';
import { useLoaded } from '../useLoaded';

export function QuizzesPage() {
  const { data: quizzes, error } = useLoaded(listQuizzes);

  return (
    <>
      <title>Quiz · Stromhaltig</title>
      <h1>Quiz</h1>
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      {!quizzes && !error && <p>Wird geladen …</p>}
      {quizzes?.length === 0 && <p>Noch kein Quiz.</p>}
      {quizzes?.map((quiz) => (
        <section key={quiz.id} className="card" aria-labelledby={`quiz-${quiz.id}`}>
          <h2 id={`quiz-${quiz.id}`}>{quiz.title}</h2>
          <p>{quiz.description}</p>
          <details>
            <summary>{quiz.questions.length} Fragen beantworten</summary>
            <QuizForm quiz={quiz} />
          </details>
        </section>
      ))}
    </>
  );
}
