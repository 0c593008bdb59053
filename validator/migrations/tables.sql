CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE blacklist_list (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  note TEXT NOT NULL,
  actor TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);
CREATE TABLE blacklist_history (
  id INTEGER NOT NULL,
  entry_id INTEGER NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action SMALLINT NOT NULL,
  why TEXT,
  batch_id INTEGER,
  revision INTEGER NOT NULL,
  was_below BOOLEAN,
  was_cause SMALLINT,
  was_state SMALLINT,
  was_source TEXT,
  was_note TEXT,
  was_actor TEXT,
  was_created BIGINT,
  was_last_event BIGINT,
  was_expires BIGINT,
  was_batch_id INTEGER,
  was_revision INTEGER,
  PRIMARY KEY (id)
);
CREATE INDEX ix_blacklist_history_entry_id ON blacklist_history (entry_id);
CREATE INDEX blacklist_history_batch ON blacklist_history (batch_id, entry_id) WHERE batch_id IS NOT NULL;
CREATE TABLE blacklist_block (
  entry_id INTEGER NOT NULL,
  times BIGINT NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (entry_id)
);
CREATE TABLE blacklist_batch (
  id INTEGER NOT NULL,
  operation TEXT NOT NULL,
  name TEXT NOT NULL,
  actor TEXT NOT NULL,
  status TEXT NOT NULL,
  options JSON NOT NULL,
  counts JSON NOT NULL,
  created BIGINT NOT NULL,
  finished BIGINT,
  undone BIGINT,
  undone_by TEXT,
  lines_done BIGINT NOT NULL,
  bytes_done BIGINT NOT NULL,
  bytes_total BIGINT,
  digest TEXT,
  undo_cursor BIGINT NOT NULL,
  error TEXT,
  owner TEXT,
  heartbeat BIGINT,
  PRIMARY KEY (id)
);
CREATE TABLE blacklist_chunk (
  batch_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (batch_id, number)
);
CREATE TABLE blacklist_fault (
  id INTEGER NOT NULL,
  batch_id INTEGER NOT NULL,
  line BIGINT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX ix_blacklist_fault_batch_id ON blacklist_fault (batch_id);
CREATE TABLE blacklist_allow (
  id INTEGER NOT NULL,
  kind SMALLINT NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  note TEXT NOT NULL,
  actor TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  acknowledged BOOLEAN NOT NULL,
  removed BIGINT,
  removed_by TEXT,
  removed_why TEXT,
  PRIMARY KEY (id)
);
CREATE INDEX blacklist_allow_key ON blacklist_allow (kind, "key");
CREATE TABLE blacklist_width (
  version SMALLINT NOT NULL,
  width SMALLINT NOT NULL,
  PRIMARY KEY (version, width)
);
CREATE TABLE blacklist_meta (
  id SMALLINT NOT NULL,
  rules_version BIGINT NOT NULL,
  erasures BIGINT NOT NULL,
  erase_key BLOB,
  erase_check BLOB,
  PRIMARY KEY (id)
);
CREATE TABLE api_keys (
  id VARCHAR(32) NOT NULL,
  name VARCHAR(64) NOT NULL,
  scopes VARCHAR(255) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  sha1_digest VARCHAR(64) NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  revoked BIGINT,
  PRIMARY KEY (id)
);
CREATE TABLE feedback_event (
  id INTEGER NOT NULL,
  provider TEXT NOT NULL,
  event_id TEXT NOT NULL,
  "key" TEXT NOT NULL,
  address TEXT NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  disposition TEXT NOT NULL,
  rule TEXT NOT NULL,
  confidence FLOAT NOT NULL,
  rules_version TEXT NOT NULL,
  permanent BOOLEAN,
  confirmed BOOLEAN,
  code SMALLINT,
  enhanced_status TEXT NOT NULL,
  stage TEXT NOT NULL,
  hint TEXT,
  text TEXT NOT NULL,
  message_id TEXT NOT NULL,
  remote_host TEXT NOT NULL,
  raw_type TEXT NOT NULL,
  occurred_at BIGINT,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT feedback_event_once UNIQUE ("key", provider, event_id)
);
CREATE INDEX feedback_event_received ON feedback_event (received_at);
CREATE TABLE feedback_address (
  "key" TEXT NOT NULL,
  soft_days SMALLINT NOT NULL,
  transient_days SMALLINT NOT NULL,
  last_failure BIGINT,
  last_reason TEXT,
  last_delivery BIGINT,
  blocked BOOLEAN NOT NULL,
  PRIMARY KEY ("key")
);
CREATE TABLE feedback_token (
  token TEXT NOT NULL,
  body TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (token)
);
CREATE TABLE feedback_notice (
  id INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts SMALLINT NOT NULL,
  error TEXT NOT NULL,
  created BIGINT NOT NULL,
  due BIGINT NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX feedback_notice_due ON feedback_notice (state, due);
CREATE TABLE blacklist_entry (
  id INTEGER NOT NULL,
  kind SMALLINT NOT NULL,
  "key" TEXT NOT NULL,
  list_id SMALLINT NOT NULL,
  value TEXT,
  below BOOLEAN NOT NULL,
  cause SMALLINT NOT NULL,
  state SMALLINT NOT NULL,
  source TEXT,
  note TEXT,
  actor TEXT,
  created BIGINT NOT NULL,
  last_event BIGINT,
  expires BIGINT,
  batch_id INTEGER,
  revision INTEGER NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX blacklist_entry_batch ON blacklist_entry (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX blacklist_entry_key ON blacklist_entry (kind, "key", list_id, state, cause, expires);
CREATE TRIGGER blacklist_entry_once BEFORE INSERT ON blacklist_entry WHEN EXISTS (SELECT 1 FROM blacklist_entry e WHERE e.kind = NEW.kind AND e."key" = NEW."key" AND e.list_id = NEW.list_id) BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER blacklist_entry_moved BEFORE UPDATE OF kind, "key", list_id ON blacklist_entry WHEN EXISTS (SELECT 1 FROM blacklist_entry e WHERE e.kind = NEW.kind AND e."key" = NEW."key" AND e.list_id = NEW.list_id AND e.id <> NEW.id) BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: blacklist_entry'); END;
INSERT INTO alembic_version (version_num) VALUES ('0004');
INSERT INTO blacklist_list (id, name, note, actor, created) VALUES (1, 'default', 'applies to every check', 'validator', :now);
INSERT INTO blacklist_meta (id, rules_version, erasures, erase_key, erase_check) VALUES (1, 1, 0, NULL, NULL);
