-- What the file says of itself. One row.
--
-- Between two checkpoints the newest transactions are in the write-ahead log alone. The file itself then says goes_on = 1, and
-- the write-ahead log 0. Whoever reads the file without its write-ahead log sees the 1: something is missing.
CREATE TABLE log_file (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    goes_on  INTEGER NOT NULL CHECK (goes_on IN (0, 1)),
    known_as TEXT    NOT NULL,              -- the path it was opened by last, links resolved: its write-ahead log lies beside it
    probe    BLOB                           -- written and deleted to find out whether there is room
) STRICT;

INSERT INTO log_file (id, goes_on, known_as) VALUES (1, 0, '');
