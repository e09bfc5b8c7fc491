-- Every statement of the store that reads a table, as it is sent, with the indexes that it has to use.
-- A test compares this list with what the store sends.

-- PRIMARY KEY
delete from workflow_dead_letters where id = ?;

-- workflow_dead_letters_by_run
delete from workflow_dead_letters where run_id in (values (?));

-- PRIMARY KEY
delete from workflow_history where (run_id, version) in (select run_id, version from workflow_history where run_id in (?) limit ?);

-- PRIMARY KEY
delete from workflow_history where run_id in (values (?));

-- PRIMARY KEY
delete from workflow_inbox where run_id in (values (?));

-- PRIMARY KEY
delete from workflow_outbox where id in (values (?));

-- PRIMARY KEY
delete from workflow_records where run_id in (values (?));

-- PRIMARY KEY
delete from workflow_retries where (run_id, version, process) in (values (?,?,?));

-- PRIMARY KEY
delete from workflow_retries where run_id in (values (?));

-- whole table
delete from workflow_slots as s where exists (select 1 from (values (?,?,?,?)) as v where s.workflow_name = v.column1 and s.foreign_id = v.column2 and s.spec = v.column3 and s.slot <= v.column4);

-- PRIMARY KEY
delete from workflow_timeouts where run_id in (values (?));

-- PRIMARY KEY
insert into workflow_inbox (run_id, status, key, payload, applied, noted) select column1, column2, column3, column4, column5, max(column6, coalesce((select max(i.noted) + 1 from workflow_inbox i where i.run_id = column1 and i.status = column2), 0)) from (values (?,?,?,?,?,?)) where column1 is not null on conflict do nothing;

-- PRIMARY KEY
insert into workflow_timeouts (run_id, entered, name, status, expire_at, created_at, workflow_name, foreign_id) select v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, r.workflow_name, r.foreign_id from (values (?,?,?,?,?,?)) as v join workflow_records r on r.run_id = v.column1 where true on conflict do nothing;

-- whole table
select count(*) from workflow_dead_letters;

-- PRIMARY KEY
select count(*) from workflow_history where run_id in (?);

-- workflow_records_by_age
select created_at, run_id from workflow_records where workflow_name = ? and created_at < ? and (created_at, run_id) > (?, ?) and typeof(run_id) = 'text' order by created_at, run_id limit 1 offset ?;

-- workflow_records_by_age
select created_at, run_id, run_state, updated_at from workflow_records where workflow_name = ? and updated_at < ? and (created_at, run_id) > (?, ?) and (created_at, run_id) <= (?, ?) and typeof(run_id) = 'text' and run_state in (?, ?, ?) order by created_at, run_id limit ?;

-- PRIMARY KEY
select data from workflow_dead_letters where id = ?;

-- PRIMARY KEY
select distinct h.run_id, h.to_status from (values (?,?)) as v join workflow_history h on h.run_id = v.column1 and h.to_status = v.column2;

-- whole table
select distinct run_id from workflow_outbox where run_id in (values (?));

-- PRIMARY KEY
select epoch from workflow_roles where role = ?;

-- PRIMARY KEY
select id, workflow_name, data from workflow_outbox where run_id is null and id > ? and created_at <= ? and typeof(id) = 'text' order by id limit ?;

-- PRIMARY KEY
select id, workflow_name, data, created_at from workflow_outbox where id > ? order by id limit ?;

-- whole table
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters order by created_at, id limit ?;

-- whole table
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters where (?1 is null or workflow_name = ?1) and (?2 is null or run_id = ?2) and (created_at, id) > (?3, ?4) order by created_at, id limit ?5;

-- PRIMARY KEY
select key, payload, applied from workflow_inbox where run_id = ? and status = ? order by noted, key;

-- PRIMARY KEY
select last_event_id from workflow_records where run_id = ?;

-- PRIMARY KEY
select max(slot) from workflow_slots where workflow_name = ? and foreign_id = ? and spec = ? and typeof(slot) = 'integer';

-- PRIMARY KEY
select role, epoch from workflow_roles where role in (values (?));

-- workflow_dead_letters_by_run
select run_id from workflow_dead_letters where run_id in (values (?));

-- whole table
select run_id from workflow_records where workflow_name = ? and created_at < ? and updated_at < ? and run_state in (?, ?, ?) and run_id not in (select run_id from workflow_outbox where run_id is not null) and run_id not in (select run_id from workflow_retries where due_at is not null) order by created_at limit ?;

-- workflow_records_live
select run_id from workflow_records where workflow_name = ? and foreign_id = ? and live = 1;

-- PRIMARY KEY
select run_id from workflow_retries where due_at is not null and run_id in (values (?));

-- workflow_timeouts_due
select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at from workflow_timeouts where state = 0 and workflow_name in (?) order by expire_at limit ?;

-- PRIMARY KEY
select run_id, last_event_id from workflow_records where run_id in (values (?));

-- PRIMARY KEY
select run_id, status, key from workflow_inbox where (run_id, status, key) in (values (?,?,?));

-- workflow_dead_letters_by_run
select run_id, version from workflow_dead_letters where run_id is not null and (run_id, version) in (values (?,?));

-- PRIMARY KEY
select run_id, version from workflow_records where run_id in (values (?));

-- PRIMARY KEY
select run_id, version from workflow_retries where (run_id, version) in (values (?,?));

-- PRIMARY KEY
select run_id, version, process, attempt, due_at, last_error, event from workflow_retries where run_id = ? and version = ? and process = ?;

-- workflow_retries_due
select run_id, version, process, attempt, due_at, last_error, event, workflow_name from workflow_retries where due_at is not null and workflow_name in (?) order by due_at limit ?;

-- PRIMARY KEY
select run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id in (?);

-- PRIMARY KEY
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where run_id in (values (?));

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and (created_at, run_id) < (?, ?) order by created_at desc, run_id desc limit ?;

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and (created_at, run_id) > (?, ?) order by created_at asc, run_id asc limit ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and (created_at, run_id) < (?, ?) order by created_at desc, run_id desc limit ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and (created_at, run_id) > (?, ?) order by created_at asc, run_id asc limit ?;

-- workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and foreign_id in (?) order by created_at asc, run_id asc limit ? offset ?;

-- workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and foreign_id in (?) order by created_at desc, run_id desc limit ? offset ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and status in (?) and run_state in (?) order by created_at asc, run_id asc limit ? offset ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? and status in (?) and run_state in (?) order by created_at desc, run_id desc limit ? offset ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? order by created_at asc, run_id asc limit ? offset ?;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_name = ? order by created_at desc, run_id desc limit ? offset ?;

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true order by created_at asc, run_id asc limit ? offset ?;

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true order by created_at desc, run_id desc limit ? offset ?;

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = ? and foreign_id = ? and live = 1;

-- workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = ? and foreign_id = ? order by created_at desc, run_id desc limit 1;

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = ? and live = 1 and foreign_id > coalesce((select foreign_id from workflow_records where run_id = ?), '') order by foreign_id limit ?;

-- workflow_records_start_key
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = ? and start_key = ?;

-- any
select workflow_name from workflow_records where workflow_name > ? and typeof(workflow_name) = 'text' order by workflow_name limit 1;

-- whole table
select workflow_name, count(*), min(created_at) from workflow_outbox group by workflow_name;

-- PRIMARY KEY
select workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where run_id in (?);

-- PRIMARY KEY
select workflow_name, foreign_id, spec, slot from workflow_slots where (workflow_name, foreign_id, spec, slot) in (values (?,?,?,?));

-- PRIMARY KEY
select workflow_name, run_id, version, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id = ? and version > ? order by version limit ?;

-- PRIMARY KEY
update workflow_history as h set object = (select r.object from workflow_records r where r.run_id = h.run_id) where h.object is not null and h.run_id in (values (?));

-- PRIMARY KEY
update workflow_history as h set reason = '' where h.version < (select r.version from workflow_records r where r.run_id = h.run_id) and h.run_id in (values (?));

-- PRIMARY KEY
update workflow_inbox as i set applied = 1, payload = x'' from (values (?,?,?)) as v where i.run_id = v.column1 and i.status = v.column2 and i.key = v.column3;

-- PRIMARY KEY
update workflow_records as r set live = null, run_state = v.column3, status = v.column4, object = v.column5, updated_at = v.column6, meta = v.column7, version = v.column8, last_event_id = v.column9, paused_by = v.column10 from (values (?,?,?,?,?,?,?,?,?,?)) as v where r.run_id = v.column1 and r.version = v.column2;

-- PRIMARY KEY
update workflow_records as r set run_state = v.column3, status = v.column4, object = v.column5, updated_at = v.column6, meta = v.column7, version = v.column8, last_event_id = v.column9, paused_by = v.column10 from (values (?,?,?,?,?,?,?,?,?,?)) as v where r.run_id = v.column1 and r.version = v.column2;

-- PRIMARY KEY
update workflow_retries as r set attempt = v.column5, due_at = v.column6, last_error = v.column7, event = v.column8 from (values (?,?,?,?,?,?,?,?)) as v where r.run_id = v.column1 and r.version = v.column2 and r.process = v.column3;

-- PRIMARY KEY
update workflow_retries set last_error = '' where run_id in (values (?));

-- PRIMARY KEY
update workflow_timeouts as t set state = 3 from (values (?,?)) as v where t.run_id = v.column1 and t.entered = coalesce(v.column2, t.entered) and t.state in (0, 1);

-- PRIMARY KEY
update workflow_timeouts as t set state = v.column4 from (values (?,?,?,?)) as v where t.run_id = v.column1 and t.entered = v.column2 and t.name = v.column3 and t.state in (0, 1);

-- PRIMARY KEY
update workflow_timeouts set state = 0 where state = 1 and run_id in (values (?));

-- PRIMARY KEY
select id, workflow_name, data, created_at from workflow_outbox where id > ? and coalesce(bucket, 0) % ? = ? order by id limit ?;

-- PRIMARY KEY
select count(*), min(created_at) from (select created_at from workflow_outbox where id > ? and coalesce(bucket, 0) % ? = ? order by id limit ?);

-- whole table
select distinct doorbell from workflow_roles where doorbell is not null;

-- whole table, workflow_retries_due
select count(*) from (select workflow_name, attempt from workflow_retries where due_at is not null order by due_at limit ?) where workflow_name = ? and attempt > 0;

-- PRIMARY KEY
select doorbell from workflow_roles where role = ?;
