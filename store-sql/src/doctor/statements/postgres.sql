-- Every statement of the store that reads a table, as it is sent, with the indexes that it has to use.
-- A test compares this list with what the store sends.

-- workflow_dead_letters_pkey
delete from workflow_dead_letters where id = $1;

-- workflow_dead_letters_by_run
delete from workflow_dead_letters where run_id = any($1);

-- workflow_history_pkey
delete from workflow_history h using (select run_id, version from workflow_history where run_id = any($1) limit $2) d where h.run_id = d.run_id and h.version = d.version;

-- workflow_history_pkey
delete from workflow_history where run_id = any($1);

-- workflow_inbox_pkey
delete from workflow_inbox where run_id = any($1);

-- workflow_records_pkey
delete from workflow_records where run_id = any($1);

-- workflow_retries_pkey
delete from workflow_retries r using unnest($1::text[], $2::bigint[], $3::text[]) as d(run_id, version, process) where r.run_id = d.run_id and r.version = d.version and r.process = d.process;

-- workflow_retries_pkey
delete from workflow_retries where run_id = any($1);

-- workflow_slots_pkey
delete from workflow_slots s using unnest($1::text[], $2::text[], $3::text[], $4::timestamp[]) as d(workflow_name, foreign_id, spec, slot) where s.workflow_name = d.workflow_name and s.foreign_id = d.foreign_id and s.spec = d.spec and s.slot <= d.slot;

-- workflow_timeouts_pkey
delete from workflow_timeouts where run_id = any($1);

-- workflow_inbox_pkey
insert into workflow_inbox (run_id, status, key, payload, applied, noted) select d.run_id, d.status, d.key, d.payload, d.applied, d.ord - 1 + greatest($6, (select max(i.noted) + 1 from workflow_inbox i where i.run_id = d.run_id and i.status = d.status)) from unnest($1::text[], $2::integer[], $3::text[], $4::bytea[], $5::smallint[]) with ordinality as d(run_id, status, key, payload, applied, ord);

-- workflow_records_pkey
insert into workflow_timeouts (run_id, entered, name, status, expire_at, created_at, workflow_name, foreign_id) select d.run_id, d.entered, d.name, d.status, d.expire_at, $6, r.workflow_name, r.foreign_id from unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::timestamp[]) as d(run_id, entered, name, status, expire_at) join workflow_records r on r.run_id = d.run_id on conflict do nothing;

-- workflow_records_start_key, workflow_records_live, workflow_records_pkey
select (select r.run_id from workflow_records r where r.workflow_name = d.workflow_name and r.start_key = d.start_key), (select r.run_id from workflow_records r where r.workflow_name = d.workflow_name and r.foreign_id = d.foreign_id and r.live), (select r.version from workflow_records r where r.run_id = d.run_id) from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as d(run_id, workflow_name, foreign_id, start_key, ord) order by d.ord;

-- whole table
select count(*) from workflow_dead_letters;

-- workflow_history_pkey
select count(*) from workflow_history where run_id = any($1);

-- workflow_records_by_age
select created_at, run_id from workflow_records where workflow_name = $1 and created_at < $2 and (created_at, run_id) > ($3, $4) order by created_at, run_id limit 1 offset $5;

-- workflow_records_by_age
select created_at, run_id, run_state, updated_at from workflow_records where workflow_name = $1 and updated_at < $2 and (created_at, run_id) > ($3, $4) and (created_at, run_id) <= ($5, $6) and run_state = any($7) order by created_at, run_id limit $8;

-- workflow_history_pkey
select d.ord from unnest($1::text[], $2::integer[]) with ordinality as d(run_id, status, ord) where exists (select 1 from workflow_history h where h.run_id = d.run_id and h.to_status = d.status);

-- workflow_inbox_pkey
select d.ord from unnest($1::text[], $2::integer[], $3::text[]) with ordinality as d(run_id, status, key, ord) join workflow_inbox i on i.run_id = d.run_id and i.status = d.status and i.key = d.key;

-- workflow_slots_pkey
select d.ord from unnest($1::text[], $2::text[], $3::text[], $4::timestamp[]) with ordinality as d(workflow_name, foreign_id, spec, slot, ord) join workflow_slots s on s.workflow_name = d.workflow_name and s.foreign_id = d.foreign_id and s.spec = d.spec and s.slot = d.slot;

-- workflow_dead_letters_pkey
select data from workflow_dead_letters where id = $1 for update;

-- workflow_outbox_by_run
select distinct run_id from workflow_outbox where run_id = any($1);

-- workflow_outbox_pkey
select id, workflow_name, data, created_at from workflow_outbox where id > $1 order by id limit $2;

-- workflow_outbox_pkey
select id, workflow_name, data, run_id is null and created_at <= $2 from (select id, workflow_name, case when run_id is null and created_at <= $2 then data end as data, run_id, created_at from workflow_outbox where id > $1 order by id limit $3) s order by id;

-- whole table
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters order by created_at, id limit $1;

-- whole table
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters where ($1::text is null or workflow_name = $1) and ($2::text is null or run_id = $2) and (created_at, id) > ($3, $4) order by created_at, id limit $5;

-- workflow_inbox_pkey
select key, payload, applied from workflow_inbox where run_id = $1 and status = $2 order by noted, key;

-- workflow_records_pkey
select last_event_id from workflow_records where run_id = $1;

-- workflow_slots_pkey
select max(slot) from workflow_slots where workflow_name = $1 and foreign_id = $2 and spec = $3;

-- workflow_records_pkey
select r.run_id from unnest($1::text[], $2::integer[], $3::timestamp[]) as d(run_id, run_state, updated_at) join workflow_records r on r.run_id = d.run_id and r.run_state = d.run_state and r.updated_at = d.updated_at for update of r skip locked;

-- workflow_records_by_age, workflow_outbox_by_run, workflow_outbox_unrouted
select r.run_id from workflow_records r where r.workflow_name = $1 and r.created_at < $2 and r.updated_at < $2 and r.run_state = any($3) and not exists (select 1 from workflow_outbox o where o.run_id = r.run_id) and not exists (select 1 from workflow_retries y where y.run_id = r.run_id and y.due_at is not null) and not exists (select 1 from workflow_outbox o where o.run_id is null and o.workflow_name = $1) order by r.created_at, r.run_id limit $4 for update skip locked;

-- workflow_dead_letters_by_run
select run_id from workflow_dead_letters where run_id = any($1);

-- workflow_retries_pkey
select run_id from workflow_retries where due_at is not null and run_id = any($1);

-- workflow_retries_pkey
select run_id, version, process, attempt, due_at, last_error, event from workflow_retries where run_id = any($1);

-- workflow_history_pkey
select run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id = any($1);

-- workflow_records_live, workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from ((select * from workflow_records where workflow_name = $1 and foreign_id = $2 and live) union all (select * from workflow_records where workflow_name = $1 and foreign_id = $2 order by created_at desc, run_id desc limit 1)) r order by live desc limit 1;

-- workflow_records_pkey
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where run_id = any($1);

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and (created_at, run_id) < ($2, $3) order by created_at desc, run_id desc limit $4;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and (created_at, run_id) > ($2, $3) order by created_at asc, run_id asc limit $4;

-- workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and foreign_id = any($2) order by created_at asc, run_id asc limit $3;

-- workflow_records_by_foreign_id
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and foreign_id = any($2) order by created_at desc, run_id desc limit $3;

-- workflow_records_start_key
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and start_key = $2;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and status = any($2) and run_state = any($3) order by created_at asc, run_id asc limit $4;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 and status = any($2) and run_state = any($3) order by created_at desc, run_id desc limit $4;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 order by created_at asc, run_id asc limit $2;

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_name = $1 order by created_at desc, run_id desc limit $2;

-- workflow_records_live, workflow_outbox_by_run, workflow_retries_pkey, workflow_dead_letters_by_run
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key, r.updated_at < coalesce($5, now() at time zone 'utc') - $4 * interval '1 millisecond' and not exists (select 1 from workflow_outbox o where o.run_id = r.run_id), array(select y.version from workflow_retries y where y.run_id = r.run_id and y.version >= r.version) || array(select l.version from workflow_dead_letters l where l.run_id = r.run_id and l.version >= r.version) from (select * from workflow_records where workflow_name = $1 and live and foreign_id > coalesce((select foreign_id from workflow_records where run_id = $2), '') order by foreign_id limit $3) r order by r.foreign_id;

-- workflow_outbox_pkey
select s.workflow_name, count(*), min(s.created_at), max(s.id) from (select id, workflow_name, created_at from workflow_outbox where id > $1 order by id limit $2) s group by s.workflow_name;

-- workflow_timeouts_due
select t.run_id, t.entered, t.name, t.workflow_name, t.foreign_id, t.status, t.expire_at, t.created_at, t.expire_at as due, coalesce($3, now() at time zone 'utc') as present from unnest($1::text[]) as w(name) cross join lateral (select * from workflow_timeouts where workflow_name = w.name and state = 0 order by expire_at limit $2) t order by t.expire_at limit $2;

-- workflow_retries_due
select t.run_id, t.version, t.process, t.attempt, t.due_at, t.last_error, t.event, t.due_at as due, coalesce($3, now() at time zone 'utc') as present from unnest($1::text[]) as w(name) cross join lateral (select * from workflow_retries where workflow_name = w.name and due_at is not null order by due_at limit $2) t order by t.due_at limit $2;

-- any
select workflow_name from workflow_records where workflow_name > $1 order by workflow_name limit 1;

-- workflow_records_pkey
select workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where run_id = any($1);

-- workflow_history_pkey
select workflow_name, version, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id = $1 and version > $2 order by version limit $3;

-- workflow_history_pkey, workflow_records_pkey
update workflow_history h set object = (select r.object from workflow_records r where r.run_id = h.run_id and r.run_id = any($1)) where h.object is not null and h.run_id = any($1);

-- workflow_history_pkey, workflow_records_pkey
update workflow_history h set reason = '' from workflow_records r where r.run_id = h.run_id and r.run_id = any($1) and h.version < r.version and h.reason <> '' and h.run_id = any($1);

-- workflow_inbox_pkey
update workflow_inbox i set applied = 1, payload = ''::bytea from unnest($1::text[], $2::integer[], $3::text[]) as d(run_id, status, key) where i.run_id = d.run_id and i.status = d.status and i.key = d.key;

-- workflow_retries_pkey
update workflow_retries r set attempt = d.attempt, due_at = d.due_at, last_error = d.last_error, event = d.event from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::timestamp[], $7::text[], $8::bytea[]) as d(run_id, version, process, workflow_name, attempt, due_at, last_error, event) where r.run_id = d.run_id and r.version = d.version and r.process = d.process;

-- workflow_retries_pkey
update workflow_retries set last_error = '' where run_id = any($1);

-- workflow_timeouts_pkey
update workflow_timeouts set state = 0 where state = 1 and run_id = any($1);

-- workflow_timeouts_pkey
update workflow_timeouts t set state = 3 from unnest($1::text[], $2::bigint[]) as d(run_id, entered) where t.run_id = d.run_id and (d.entered is null or t.entered = d.entered) and t.state in (0, 1);

-- workflow_timeouts_pkey
update workflow_timeouts t set state = d.state from unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[]) as d(run_id, entered, name, state) where t.run_id = d.run_id and t.entered = d.entered and t.name = d.name and t.state in (0, 1);

-- workflow_records_pkey, workflow_outbox_pkey
with d as materialized (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::bytea[], $13::smallint[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[]) as d(run_id, workflow_name, version, was, from_status, status, run_state, object, meta, event_id, paused_by, event, bucket, reason, actor, attempt, duration_us, snapshot)), sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select d.event_id, coalesce(d.workflow_name, $19), d.event, $21, d.run_id, d.version, d.bucket from d), told as (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object) select d.run_id, d.version, coalesce(d.workflow_name, $19), d.from_status, d.status, d.run_state, coalesce(d.reason, ''), coalesce(d.actor, 'step'), coalesce(d.attempt, 1), d.duration_us, $21, d.snapshot from d), gone as (delete from workflow_outbox where id = any($20)) update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $21, meta = d.meta, version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from d where d.was is not null and r.run_id = d.run_id and r.version <= d.was;

-- workflow_records_by_age
with recursive names as ((select workflow_name as name from workflow_records order by workflow_name limit 1) union all select (select workflow_name from workflow_records where workflow_name > n.name order by workflow_name limit 1) from names n where n.name is not null) select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from names n cross join lateral (select * from workflow_records where workflow_name = n.name and (created_at, run_id) < ($1, $2) order by created_at desc, run_id desc limit $3) r order by created_at desc, run_id desc limit $4;

-- workflow_records_by_age
with recursive names as ((select workflow_name as name from workflow_records order by workflow_name limit 1) union all select (select workflow_name from workflow_records where workflow_name > n.name order by workflow_name limit 1) from names n where n.name is not null) select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from names n cross join lateral (select * from workflow_records where workflow_name = n.name and (created_at, run_id) > ($1, $2) order by created_at asc, run_id asc limit $3) r order by created_at asc, run_id asc limit $4;

-- workflow_records_by_age
with recursive names as ((select workflow_name as name from workflow_records order by workflow_name limit 1) union all select (select workflow_name from workflow_records where workflow_name > n.name order by workflow_name limit 1) from names n where n.name is not null) select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from names n cross join lateral (select * from workflow_records where workflow_name = n.name order by created_at asc, run_id asc limit $1) r order by created_at asc, run_id asc limit $2;

-- workflow_records_by_age
with recursive names as ((select workflow_name as name from workflow_records order by workflow_name limit 1) union all select (select workflow_name from workflow_records where workflow_name > n.name order by workflow_name limit 1) from names n where n.name is not null) select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from names n cross join lateral (select * from workflow_records where workflow_name = n.name order by created_at desc, run_id desc limit $1) r order by created_at desc, run_id desc limit $2;

-- workflow_roles_pkey, workflow_records_pkey, workflow_outbox_pkey
with roles as materialized (select role, epoch from workflow_roles where role = any($21) order by role for share), d as materialized (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::bytea[], $13::smallint[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[], $22::text[], $23::text[]) as d(run_id, workflow_name, version, was, from_status, status, run_state, object, meta, event_id, paused_by, event, bucket, reason, actor, attempt, duration_us, snapshot, foreign_id, start_key)), made as (insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key) select d.run_id, coalesce(d.workflow_name, $19), d.foreign_id, d.run_state, d.status, d.object, $24, $24, d.meta, d.version, d.event_id, d.paused_by, d.start_key from d where d.foreign_id is not null on conflict do nothing returning 1), sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select d.event_id, coalesce(d.workflow_name, $19), d.event, $24, d.run_id, d.version, d.bucket from d), told as (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object) select d.run_id, d.version, coalesce(d.workflow_name, $19), d.from_status, d.status, d.run_state, coalesce(d.reason, ''), coalesce(d.actor, 'step'), coalesce(d.attempt, 1), d.duration_us, $24, d.snapshot from d), gone as (delete from workflow_outbox where id = any($20)), moved as (update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $24, meta = d.meta, version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from d where d.was is not null and r.run_id = d.run_id and r.version = d.was and position(('"Version":' || d.was || ',')::bytea in r.meta) > 0 returning 1) select (select count(*) from moved), (select count(*) from made), roles.role, roles.epoch from (select 1) as one left join roles on true;

-- workflow_roles_pkey, workflow_records_pkey
with roles as materialized (select role, epoch from workflow_roles where role = any($1) order by role for share), runs as materialized (select run_id, version, meta from workflow_records where run_id = any($2) order by run_id for no key update) select true, role, epoch, null from roles union all select false, run_id, version, meta from runs;

-- workflow_records_pkey, workflow_outbox_pkey
with sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select d.id, d.workflow_name, d.data, $1, d.run_id, d.version, d.bucket from unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::smallint[]) as d(id, workflow_name, data, run_id, version, bucket) on conflict do nothing), told as (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object) select d.run_id, d.version, d.workflow_name, d.from_status, d.to_status, d.run_state, d.reason, d.actor, d.attempt, d.duration_us, $1, d.object from unnest($8::text[], $9::bigint[], $10::text[], $11::integer[], $12::integer[], $13::integer[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[]) as d(run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, object) on conflict do nothing), gone as (delete from workflow_outbox where id = any($28)) update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $1, meta = d.meta, version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from unnest($19::text[], $20::bigint[], $21::integer[], $22::integer[], $23::bytea[], $24::bytea[], $25::bigint[], $26::text[], $27::text[]) as d(run_id, was, run_state, status, object, meta, version, event_id, paused_by) where r.run_id = d.run_id and r.version <= d.was;

-- workflow_outbox_pkey
select id, workflow_name, data, created_at from workflow_outbox where id > $1 and coalesce(bucket, 0) % $3 = $4 order by id limit $2;

-- workflow_outbox_pkey
select count(*), min(s.created_at), (now() at time zone 'utc')::timestamp(3) from (select created_at from workflow_outbox where id > $1 and coalesce(bucket, 0) % $3 = $4 order by id limit $2) s;

-- workflow_outbox_pkey
delete from workflow_outbox where id >= $1 and id <= $2 and coalesce(bucket, 0) % $3 = $4 returning id;

-- whole table
select distinct doorbell from workflow_roles where doorbell > $1;

-- workflow_outbox_pkey
delete from workflow_outbox where id = any($1);

-- workflow_retries_due
select count(*) from (select attempt from workflow_retries where workflow_name = $1 and due_at is not null order by due_at limit $2) r where r.attempt > 0;

-- workflow_roles_pkey
select doorbell from workflow_roles where role = $1;
