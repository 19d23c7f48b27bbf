-- One section for each version of the schema: it leads there from the version before. A new file
-- runs through all of them, so every step is taken in every test.
--
-- Moments are whole microseconds since 1970 (codec.py). No foreign keys: rows of one table outlive
-- those of another on purpose (an effect its subject, a slot its effects).

-- name: version_1
-- Subjects, effects and their slots, deliveries.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The truth is in `value`; the other columns are what it is looked up by.
CREATE TABLE seen (
  row         INTEGER PRIMARY KEY,   -- rises in the order in which the runs began: `latest`
  key         TEXT NOT NULL UNIQUE,
  object_key  TEXT NOT NULL,
  external_id TEXT NOT NULL,
  cluster     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  host        TEXT,                  -- of the check's commit; in lower case, as GitHub compares
  owner       TEXT,
  repository  TEXT,
  sha         TEXT,
  open        INTEGER NOT NULL,      -- more may come
  version     INTEGER NOT NULL,
  updated     INTEGER NOT NULL,
  value       BLOB NOT NULL
) STRICT;
CREATE INDEX seen_object ON seen (object_key);
CREATE INDEX seen_external_id ON seen (external_id);
CREATE INDEX seen_commit ON seen (sha, repository, owner, host) WHERE sha IS NOT NULL;
CREATE INDEX seen_open ON seen (cluster, kind) WHERE open;
CREATE INDEX seen_ended ON seen (updated) WHERE NOT open;

-- The outbox. A settled row stays for a while without its value, so that a repeat of its key is
-- recognised. AUTOINCREMENT: a number that a person was shown never comes to mean another effect.
CREATE TABLE effects (
  row       INTEGER PRIMARY KEY AUTOINCREMENT,
  sink      TEXT NOT NULL,
  key       TEXT NOT NULL,
  lane      TEXT NOT NULL,
  subject   TEXT NOT NULL,
  newest    INTEGER NOT NULL,           -- replaced by a newer one of its lane
  state     TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'parked')),
  head      INTEGER NOT NULL,           -- the oldest pending of its lane: the only one to claim
  due       INTEGER NOT NULL,
  tries     INTEGER NOT NULL DEFAULT 0, -- deliveries that ended
  uncertain INTEGER NOT NULL DEFAULT 0, -- a delivery may have got through unheard
  reason    TEXT NOT NULL DEFAULT '',
  created   INTEGER NOT NULL,
  settled   INTEGER,
  value     BLOB,
  UNIQUE (sink, key)
) STRICT;
CREATE INDEX effects_due ON effects (sink, due, row) WHERE head;
CREATE INDEX effects_lane ON effects (sink, lane, row) WHERE state = 'pending';
CREATE INDEX effects_parked ON effects (sink, lane, row) WHERE state = 'parked';
CREATE INDEX effects_done ON effects (settled) WHERE state = 'done';

-- What is known of a lane at the far side.
CREATE TABLE slots (
  sink      TEXT NOT NULL,
  lane      TEXT NOT NULL,
  subject   TEXT NOT NULL,              -- a slot is kept as long as its subject
  id        TEXT,
  told      INTEGER NOT NULL DEFAULT 0, -- the newest row that was delivered
  uncertain INTEGER NOT NULL DEFAULT 0, -- a parked row of a check may have got through unheard
  updated   INTEGER NOT NULL,
  PRIMARY KEY (sink, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  guid     TEXT PRIMARY KEY,
  event    TEXT NOT NULL,
  received INTEGER NOT NULL,
  due      INTEGER NOT NULL,
  tries    INTEGER NOT NULL DEFAULT 0,
  reason   TEXT NOT NULL DEFAULT '',
  settled  INTEGER,                     -- NULL: not yet done
  body     BLOB                         -- NULL once done
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (received, due) WHERE settled IS NULL;
CREATE INDEX deliveries_done ON deliveries (settled) WHERE settled IS NOT NULL;

-- name: version_2
-- Deliveries of several Apps.

ALTER TABLE deliveries ADD COLUMN source TEXT NOT NULL DEFAULT '';  -- the Provider with the App

-- name: version_3
-- Votes, holds, and what may be tested.

CREATE TABLE ballots (
  key     TEXT PRIMARY KEY,
  lasting INTEGER NOT NULL,             -- kept until it is taken back
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  value   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ballots_passing ON ballots (updated) WHERE NOT lasting;

-- name: version_4
-- The audit log: only age removes an entry, and nothing changes one.

CREATE TABLE audit (
  row   INTEGER PRIMARY KEY,
  at    INTEGER NOT NULL,
  login TEXT NOT NULL,                  -- in lower case, as GitHub compares
  value BLOB NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
