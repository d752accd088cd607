-- What came after version 1, made where it is missing.

-- Who came by the hospital's sign-in service: the name that each has here, and what they were when they came last.
CREATE TABLE IF NOT EXISTS people (
    name TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    display TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;
