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

-- Series that ended without a finding.
CREATE TABLE IF NOT EXISTS not_triaged (
    id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    told TEXT NOT NULL,
    superseded_by TEXT,
    sequence INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS not_triaged_by_sequence ON not_triaged (sequence);
CREATE INDEX IF NOT EXISTS not_triaged_by_time ON not_triaged (received_at);
