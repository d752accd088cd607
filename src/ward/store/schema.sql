-- The server's data, version 1. Times are milliseconds since 1970 UTC.

-- One row: the number of the last change of a finding or a box.
CREATE TABLE counter (value INTEGER NOT NULL);
INSERT INTO counter VALUES (0);

CREATE TABLE findings (
    id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    priority INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    told TEXT NOT NULL,
    receipt TEXT,
    escalated INTEGER NOT NULL,
    superseded_by TEXT,
    open INTEGER NOT NULL,
    has_preview INTEGER NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX findings_by_sequence ON findings (sequence);
CREATE INDEX findings_open ON findings (priority, told_at) WHERE open = 1;
CREATE INDEX findings_by_time ON findings (received_at);
CREATE INDEX findings_by_patient ON findings (site, device, pseudonym, told_at);

-- What came before its finding.
CREATE TABLE early (
    id TEXT PRIMARY KEY,
    receipt TEXT,
    superseded_by TEXT,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE previews (
    id TEXT PRIMARY KEY,
    png BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX previews_by_time ON previews (at);

-- What happened to a finding, in the words of its page.
CREATE TABLE log (
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    by TEXT,
    station TEXT,
    text TEXT,
    PRIMARY KEY (id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE boxes (
    site TEXT NOT NULL,
    device TEXT NOT NULL,
    said TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    light TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    ticket BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    proof TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    user TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One-time codes to enrol a key with; of each only its hash.
CREATE TABLE codes (
    hash BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    by TEXT NOT NULL,
    public_key TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- Lists of keys as IT signed them.
CREATE TABLE lists (
    counter INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- What is to be said to boxes.
CREATE TABLE outgoing (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    retain INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    line TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit list is append-only');
END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit list is append-only');
END;
