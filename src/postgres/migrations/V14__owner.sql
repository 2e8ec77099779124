-- Whose results lie in this schema: those of one job, of one dataflow, in one format. The program
-- writes the row when the job is taken over, and refuses whatever is another's.
CREATE TABLE owner (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    job text NOT NULL,
    dataflow text NOT NULL,
    format integer NOT NULL
);
