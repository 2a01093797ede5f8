PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE "boots" (
   "number" INTEGER PRIMARY KEY,
   "boot_id" TEXT NOT NULL
);
INSERT INTO "boots" VALUES(1,'0b6f3c1e-0000-4000-8000-000000000001');
INSERT INTO "boots" VALUES(2,'0b6f3c1e-0000-4000-8000-000000000002');
CREATE TABLE "callouts" (
   "number" INTEGER PRIMARY KEY,
   "id" BLOB,
   "base_url" TEXT,
   "customer_id" INTEGER,
   "phase" TEXT,
   "calm" INTEGER,
   "origin" TEXT,
   "drill" INTEGER,
   "raised_utc" TEXT,
   "press_number" INTEGER,
   "dispatch_status" TEXT,
   "closed_utc" TEXT
);
INSERT INTO "callouts" VALUES(2,'0012','https://host',5,'active',0,'button:panic',0,'2026-05-28T20:26:42.000Z',1,'created',NULL);
INSERT INTO "callouts" VALUES(3,7,'https://host',5,'standby',0,'elsewhere',0,'2026-05-28T20:25:00.000Z',0,NULL,'2026-05-28T20:25:50.000Z');
CREATE TABLE "events" (
   "number" INTEGER PRIMARY KEY,
   "callout_id" BLOB,
   "key" TEXT,
   "wall_utc" TEXT,
   "source" TEXT,
   "text" TEXT,
   "told" INTEGER
);
INSERT INTO "events" VALUES(1,'0012','k1','2026-05-28T20:26:43.000Z','device','hello',1);
INSERT INTO "events" VALUES(2,'0012','k2','2026-05-28T20:26:44.000Z','device','still to tell',0);
CREATE TABLE "fixes" (
   "id" INTEGER PRIMARY KEY,
   "boot" INTEGER REFERENCES "boots"("number"),
   "at_s" REAL,
   "wall_utc" TEXT,
   "wall_trusted" INTEGER,
   "gnss_utc" TEXT,
   "receiver" TEXT,
   "latitude_deg" REAL,
   "longitude_deg" REAL,
   "accuracy_m" REAL,
   "altitude_m" REAL,
   "speed_mps" REAL,
   "track_deg" REAL,
   "segment" INTEGER,
   "quality" TEXT,
   "episode" TEXT,
   "sent_utc" TEXT,
   "told_utc" TEXT
);
INSERT INTO "fixes" VALUES(1,1,100.0,'2026-05-28T20:26:40.000Z',1,'2026-05-28T20:26:40.000Z','gpsd',-33.9249,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(2,1,100.125,'2026-05-28T20:26:40.125Z',1,'2026-05-28T20:26:40.125Z','gpsd',-33.9248,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(3,1,100.125,'2026-05-28T20:26:40.125Z',1,NULL,'nmea',-33.9249,18.4242,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(4,1,100.25,'2026-05-28T20:26:40.250Z',1,'2026-05-28T20:26:40.250Z','gpsd',-33.9247,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(5,1,100.375,'2026-05-28T20:26:40.375Z',1,'2026-05-28T20:26:40.375Z','gpsd',-33.9246,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(6,1,100.375,'2026-05-28T20:26:40.375Z',1,NULL,'nmea',-33.9249,18.4244,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(7,1,100.5,'2026-05-28T20:26:40.500Z',1,'2026-05-28T20:26:40.500Z','gpsd',-33.9245,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(8,1,100.625,'2026-05-28T20:26:40.625Z',1,'2026-05-28T20:26:40.625Z','gpsd',-33.9244,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(9,1,100.625,'2026-05-28T20:26:40.625Z',1,NULL,'nmea',-33.9249,1.842459999999999809e+01,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(10,1,100.75,'2026-05-28T20:26:40.750Z',1,'2026-05-28T20:26:40.750Z','gpsd',-33.9243,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(11,1,100.875,'2026-05-28T20:26:40.875Z',1,'2026-05-28T20:26:40.875Z','gpsd',-33.9242,18.4241,4.5,30.0,1.5,90.0,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(12,1,100.875,'2026-05-28T20:26:40.875Z',1,NULL,'nmea',-33.9249,1.84247999999999976239e+01,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(13,1,101.0001,'2026-05-28T20:26:41.000Z',1,NULL,'gpsd',-33.9,18.5,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(14,1,101.0004,'2026-05-28T20:26:41.000Z',1,NULL,'gpsd',-33.9,18.5,NULL,NULL,NULL,NULL,0,'live',NULL,NULL,NULL);
INSERT INTO "fixes" VALUES(15,1,103.0,'2026-05-28T20:26:43.000Z',1,NULL,'gpsd',-33.92,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z','2026-05-28T20:26:40.000Z',NULL);
INSERT INTO "fixes" VALUES(16,1,104.0,'2026-05-28T20:26:44.000Z',1,NULL,'gpsd',-33.921,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z','2026-05-28T20:26:40.000Z',NULL);
INSERT INTO "fixes" VALUES(17,1,105.0,'2026-05-28T20:26:45.000Z',1,NULL,'gpsd',-3.39220000000000041504e+01,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z',NULL,'2026-05-28T20:26:40.000Z');
INSERT INTO "fixes" VALUES(18,1,106.0,'2026-05-28T20:26:46.000Z',1,NULL,'gpsd',-33.923,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z',NULL,NULL);
INSERT INTO "fixes" VALUES(19,1,107.0,'2026-05-28T20:26:47.000Z',1,NULL,'gpsd',-33.924,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z',NULL,NULL);
INSERT INTO "fixes" VALUES(20,1,108.0,'2026-05-28T20:26:48.000Z',1,NULL,'gpsd',-3.39250000000000042623e+01,18.42,5.0,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z',NULL,NULL);
INSERT INTO "fixes" VALUES(21,2,9.0,'1970-01-01T00:00:12.000Z',0,NULL,'gpsd',-33.95,18.42,NULL,NULL,NULL,NULL,0,'live','2026-05-28T20:26:40.000Z',NULL,NULL);
CREATE TABLE "notes" (
   "name" TEXT PRIMARY KEY,
   "value" TEXT
);
INSERT INTO "notes" VALUES('armed_proof','x');
CREATE TABLE "presses" (
   "number" INTEGER PRIMARY KEY,
   "boot" INTEGER REFERENCES "boots"("number"),
   "at_s" REAL,
   "wall_utc" TEXT,
   "wall_trusted" INTEGER,
   "origin" TEXT,
   "response_type_id" INTEGER,
   "note" TEXT,
   "drill" INTEGER,
   "state" TEXT,
   "settled_utc" TEXT,
   "callout_id" BLOB
);
INSERT INTO "presses" VALUES(1,1,102.0,'2026-05-28T20:26:42.000Z',1,'button:panic',NULL,'fell',0,'settled','2026-05-28T20:26:43.000Z','0012');
INSERT INTO "presses" VALUES(2,2,9.5,'1970-01-01T00:00:12.500Z',0,'cli',NULL,NULL,1,'owed',NULL,NULL);
CREATE TABLE "state" (
   "name" TEXT PRIMARY KEY,
   "value" TEXT
);
INSERT INTO "state" VALUES('machine_id','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO "state" VALUES('settled','1 2026-05-28T20:26:43.000Z');
INSERT INTO "state" VALUES('calm','0');
INSERT INTO "state" VALUES('episode','2026-05-28T20:26:40.000Z');
INSERT INTO "state" VALUES('press_number','2');
CREATE UNIQUE INDEX "idx_boots_boot_id"
    ON "boots" ("boot_id");
CREATE UNIQUE INDEX "idx_fixes_boot_at_s_receiver"
    ON "fixes" ("boot", "at_s", "receiver");
CREATE INDEX "idx_fixes_wall_utc"
    ON "fixes" ("wall_utc");
CREATE INDEX untold ON fixes (episode) WHERE episode IS NOT NULL AND sent_utc IS NULL AND told_utc IS NULL;
CREATE UNIQUE INDEX "idx_callouts_base_url_customer_id_id"
    ON "callouts" ("base_url", "customer_id", "id");
CREATE UNIQUE INDEX "idx_events_callout_id_key"
    ON "events" ("callout_id", "key");
COMMIT;
