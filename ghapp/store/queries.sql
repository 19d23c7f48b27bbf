-- Every statement of the store, by name. `schema.sql` says what the columns mean.

-- --- meta ---------------------------------------------------------------------------------------

-- name: make_born
-- Remember when the store was made.
INSERT INTO meta (name, value) VALUES ('born', :now) ON CONFLICT (name) DO NOTHING;

-- name: born
-- When the store was made.
SELECT value FROM meta WHERE name = 'born';

-- --- seen ---------------------------------------------------------------------------------------

-- name: seen_by_key
-- The row of one subject.
SELECT key, value FROM seen WHERE key = :key;

-- name: seen_latest
-- The newest run of an object.
SELECT key, value FROM seen WHERE object_key = :object_key ORDER BY row DESC LIMIT 1;

-- name: seen_by_external_id
-- The run behind a check.
SELECT key, value FROM seen WHERE external_id = :external_id ORDER BY row DESC LIMIT 1;

-- name: seen_on_commit
-- All runs whose check is on a commit, oldest first.
SELECT key, value FROM seen
WHERE sha = :sha AND :repository IN ('', repository) AND :owner IN ('', owner)
  AND :host IN ('', host)
ORDER BY row;

-- name: seen_open
-- The runs of a kind of which more may come.
SELECT key, value FROM seen WHERE cluster = :cluster AND kind = :kind AND open ORDER BY row;

-- name: seen_open_page
-- Some of all the runs of which more may come.
SELECT key, value FROM seen WHERE open AND key > :after ORDER BY key LIMIT :limit;

-- name: seen_insert
-- The first look at a subject; changes nothing when there was one before.
INSERT INTO seen (key, object_key, external_id, cluster, kind, host, owner, repository, sha, open,
                  version, updated, value)
VALUES (:key, :object_key, :external_id, :cluster, :kind, :host, :owner, :repository, :sha, :open,
        :version, :now, :value)
ON CONFLICT (key) DO NOTHING;

-- name: seen_update
-- A later look, if nobody else committed one; a run that is opened again becomes the newest.
UPDATE seen
SET row = CASE WHEN :open > open THEN (SELECT max(row) + 1 FROM seen) ELSE row END,
    host = :host, owner = :owner, repository = :repository, sha = :sha, open = :open,
    version = :version, updated = :now, value = :value
WHERE key = :key AND version = :version - 1;

-- name: seen_delete
-- Forget a row that cannot be read, to make room for the one that replaces it.
DELETE FROM seen WHERE key = :key;

-- --- ballots ------------------------------------------------------------------------------------

-- name: ballots
-- What was said to each of these.
SELECT key, value FROM ballots WHERE key IN (SELECT value FROM json_each(:keys));

-- name: ballot_write
-- A ballot as it is now, if nobody else changed it.
INSERT INTO ballots (key, lasting, version, updated, value)
VALUES (:key, :lasting, :version, :now, :value)
ON CONFLICT (key) DO UPDATE
SET lasting = :lasting, version = :version, updated = :now, value = :value
WHERE ballots.version = :version - 1;

-- --- audit --------------------------------------------------------------------------------------

-- name: audit_insert
-- Somebody asked for something.
INSERT INTO audit (at, login, value) VALUES (:at, :login, :value);

-- name: audit
-- What was asked for, newest first.
SELECT value FROM audit
WHERE at >= :since AND :login IN ('', login)
ORDER BY at DESC, row DESC
LIMIT :limit;

-- --- effects ------------------------------------------------------------------------------------

-- name: held_create
-- What this process is delivering. In memory and of one connection, so that it ends with the
-- process; a table, so that it is rolled back together with everything else.
CREATE TEMP TABLE held (sink TEXT, lane TEXT, row INTEGER, PRIMARY KEY (sink, lane)) WITHOUT ROWID;

-- name: held_insert
-- Nobody else claims from this lane.
INSERT INTO held (sink, lane, row) VALUES (:sink, :lane, :row);

-- name: held_delete
-- The lane is free again, if this row held it.
DELETE FROM held WHERE sink = :sink AND lane = :lane AND row = :row;

-- name: last_row
-- The newest effect there is.
SELECT coalesce(max(row), 0) FROM effects;

-- name: effect_insert
-- A new effect at the end of its lane; no row comes back when its key is known.
INSERT INTO effects (sink, key, lane, subject, newest, head, due, created, value)
VALUES (:sink, :key, :lane, :subject, :newest,
        NOT EXISTS (SELECT 1 FROM effects
                    WHERE sink = :sink AND lane = :lane AND state = 'pending'),
        :due, :now, :value)
ON CONFLICT (sink, key) DO NOTHING
RETURNING row, head;

-- name: effect_parked
-- The row of a key that was given up.
SELECT row FROM effects WHERE sink = :sink AND key = :key AND state = 'parked';

-- name: effect_by_row
-- What settling and reviving need to know of a row.
SELECT sink, lane, newest, state, tries, uncertain FROM effects WHERE row = :row;

-- name: effects_replaceable
-- Older states in the lane that are not on their way.
SELECT row, head, due, tries, uncertain, reason FROM effects
WHERE sink = :sink AND lane = :lane AND state = 'pending' AND newest AND row < :row
  AND row NOT IN (SELECT held.row FROM held WHERE held.sink = :sink AND held.lane = :lane);

-- name: effect_heir
-- The newer state that waits behind this one.
SELECT max(row) FROM effects
WHERE sink = :sink AND lane = :lane AND state = 'pending' AND newest AND row > :row;

-- name: effect_inherit
-- A newer state takes the place of an older one, and its back-off.
UPDATE effects
SET head = max(head, :head), tries = max(tries, :tries), uncertain = max(uncertain, :uncertain),
    due = CASE WHEN :tries THEN :due ELSE min(due, :due) END, reason = :reason
WHERE row = :row;

-- name: effect_done
-- It is over; only the key is kept.
UPDATE effects SET state = 'done', head = 0, value = NULL, reason = :reason, settled = :now
WHERE row = :row;

-- name: effect_again
-- It did not get through; the lane waits for it.
UPDATE effects
SET tries = tries + 1, due = :due, reason = :reason, uncertain = max(uncertain, :uncertain)
WHERE row = :row;

-- name: effect_park
-- A person has to look.
UPDATE effects
SET state = 'parked', head = 0, tries = tries + :tried, uncertain = max(uncertain, :uncertain),
    reason = :reason, settled = :now
WHERE row = :row;

-- name: effects_orphaned
-- What waits for a sink that there is not, and is not on its way.
UPDATE effects SET state = 'parked', head = 0, reason = :reason, settled = :now
WHERE state = 'pending' AND sink NOT IN (SELECT value FROM json_each(:sinks))
  AND NOT EXISTS (SELECT 1 FROM held WHERE held.sink = effects.sink AND held.row = effects.row);

-- name: effects_hurried
-- What would be tried later, and for which reason, is due now.
UPDATE effects SET due = :now
WHERE head AND sink IN (SELECT value FROM json_each(:sinks)) AND due > :now
  AND lower(substr(reason, 1, length(:because))) = lower(:because);

-- name: effect_revive
-- A parked effect waits again, as if it was never tried, but for what is not known.
UPDATE effects SET state = 'pending', tries = 0, reason = '', settled = NULL, due = :now
WHERE row = :row;

-- name: effect_drop
-- Forget a parked effect.
DELETE FROM effects WHERE row = :row AND state = 'parked' RETURNING row;

-- name: lane_advance
-- The oldest pending row of a lane is its head, and no other.
UPDATE effects
SET head = (row = (SELECT min(row) FROM effects
                   WHERE sink = :sink AND lane = :lane AND state = 'pending'))
WHERE row IN (SELECT row FROM effects
              WHERE sink = :sink AND lane = :lane AND state = 'pending' ORDER BY row LIMIT 2);

-- name: claimable
-- Heads of due lanes that nobody holds, the one that has waited longest first.
SELECT e.row, e.key, e.lane, e.value, e.tries, e.created,
       max(e.uncertain, coalesce(s.uncertain, 0)), s.id
FROM effects AS e LEFT JOIN slots AS s ON s.sink = e.sink AND s.lane = e.lane
WHERE e.head AND e.sink = :sink AND e.due <= :now
  AND NOT EXISTS (SELECT 1 FROM held WHERE held.sink = e.sink AND held.lane = e.lane)
ORDER BY e.due, e.row
LIMIT :limit;

-- name: next_due
-- When the next lane of the sink that nobody holds is due.
SELECT e.due FROM effects AS e
WHERE e.head AND e.sink = :sink
  AND NOT EXISTS (SELECT 1 FROM held WHERE held.sink = e.sink AND held.lane = e.lane)
ORDER BY e.due, e.row
LIMIT 1;

-- name: dead
-- Parked effects, oldest first.
SELECT row, sink, key, value, reason, tries, created, settled
FROM effects INDEXED BY effects_parked
WHERE state = 'parked' AND row = coalesce(:row, row)
ORDER BY row;

-- name: backlog_pending
-- How many effects wait, by sink.
SELECT sink, count(*) FROM effects WHERE state = 'pending' GROUP BY sink;

-- name: backlog_parked
-- How many effects wait for a person, by sink.
SELECT sink, count(*) FROM effects WHERE state = 'parked' GROUP BY sink;

-- name: backlog_oldest
-- The due time of the lane that has waited longest.
SELECT min(due) FROM effects WHERE head;

-- name: backlog_deliveries
-- How many deliveries are not yet done.
SELECT count(*) FROM deliveries WHERE settled IS NULL;

-- --- slots --------------------------------------------------------------------------------------

-- name: slot_told
-- A row of the lane was delivered, so its place at the far side is known.
INSERT INTO slots (sink, lane, subject, id, told, updated)
SELECT sink, lane, subject, :id, row, :now FROM effects WHERE row = :row
ON CONFLICT (sink, lane) DO UPDATE
SET id = coalesce(excluded.id, id), told = max(told, excluded.told), uncertain = 0,
    updated = excluded.updated;

-- name: slot_uncertain
-- A state that may have got through unheard is given up; the next one of the lane has to look.
INSERT INTO slots (sink, lane, subject, uncertain, updated)
SELECT sink, lane, subject, 1, :now FROM effects WHERE row = :row
ON CONFLICT (sink, lane) DO UPDATE SET uncertain = 1, updated = excluded.updated;

-- name: slot_newer
-- Whether a newer state of the lane was delivered already.
SELECT 1 FROM slots WHERE sink = :sink AND lane = :lane AND told > :row;

-- --- deliveries ---------------------------------------------------------------------------------

-- name: delivery_insert
-- Keep a webhook, unless its guid is known.
INSERT INTO deliveries (guid, event, received, due, tries, body, source)
VALUES (:guid, :event, :received, :received, :tries, :body, :source)
ON CONFLICT (guid) DO NOTHING;

-- name: deliveries_known
-- Which of these guids were accepted.
SELECT guid FROM deliveries WHERE guid IN (SELECT value FROM json_each(:guids));

-- name: deliveries_due
-- What is not yet done and due, oldest first.
SELECT guid, event, body, received, tries, source FROM deliveries
WHERE settled IS NULL AND due <= :now
ORDER BY received
LIMIT :limit;

-- name: delivery_postpone
-- It could not be done now.
UPDATE deliveries SET tries = tries + 1, due = :due, reason = :reason
WHERE guid = :guid AND settled IS NULL;

-- name: delivery_done
-- Done; only the guid is kept.
UPDATE deliveries SET settled = :now, body = NULL WHERE guid = :guid AND settled IS NULL;

-- --- prune --------------------------------------------------------------------------------------

-- name: prune_effects
-- Forget keys that will not be repeated any more.
DELETE FROM effects
WHERE row IN (SELECT row FROM effects WHERE state = 'done' AND settled < :before LIMIT :limit);

-- name: prune_parked
-- Forget what was given up and nobody looked at: the table must not grow for ever.
DELETE FROM effects
WHERE row IN (SELECT row FROM effects WHERE state = 'parked' AND settled < :before LIMIT :limit);

-- name: prune_deliveries
-- Forget guids that GitHub does not deliver again.
DELETE FROM deliveries
WHERE guid IN (SELECT guid FROM deliveries
               WHERE settled IS NOT NULL AND settled < :before LIMIT :limit);

-- name: prune_seen
-- Forget subjects of which nothing more can come.
DELETE FROM seen
WHERE row IN (SELECT row FROM seen WHERE NOT open AND updated < :before LIMIT :limit);

-- name: prune_ballots
-- Forget votes on what is long over.
DELETE FROM ballots
WHERE key IN (SELECT key FROM ballots WHERE NOT lasting AND updated < :before LIMIT :limit);

-- name: prune_audit
-- Forget what was asked for so long ago that GitHub has no check of it any more.
DELETE FROM audit WHERE row IN (SELECT row FROM audit WHERE at < :before LIMIT :limit);

-- name: prune_slots
-- Forget places at the far side whose subject is forgotten and of which nothing waits.
DELETE FROM slots
WHERE (sink, lane) IN (
  SELECT s.sink, s.lane FROM slots AS s
  WHERE s.updated < :before
    AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.key = s.subject)
    AND NOT EXISTS (SELECT 1 FROM effects AS e
                    WHERE e.sink = s.sink AND e.lane = s.lane AND e.state = 'pending')
    AND NOT EXISTS (SELECT 1 FROM effects AS e
                    WHERE e.sink = s.sink AND e.lane = s.lane AND e.state = 'parked')
  LIMIT :limit);
