DROP TABLE quiz_results;
DROP TABLE quiz_questions;
DROP TABLE quizzes;
