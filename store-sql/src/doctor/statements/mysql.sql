-- Every statement of the store that reads a table, as it is sent, with the indexes that it has to use.
-- A test compares this list with what the store sends.

-- PRIMARY
delete from workflow_dead_letters where id = {text};

-- PRIMARY
delete from workflow_outbox where id = {text};

-- PRIMARY
delete h from (select k.run_id, i.version from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) k straight_join workflow_history i force index (primary) on i.run_id = k.run_id limit {n}) d straight_join workflow_history h force index (primary) on h.run_id = d.run_id and h.version = d.version;

-- PRIMARY
delete o from json_table({keys}, '$[*]' columns (id varchar(255) character set ascii path '$')) d straight_join workflow_outbox o force index (primary) on o.id = d.id;

-- PRIMARY
delete r from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$[0]', version bigint path '$[1]', process varchar(255) character set utf8mb4 path '$[2]')) d straight_join workflow_retries r force index (primary) on r.run_id = d.run_id and r.version = d.version and r.process = d.process;

-- PRIMARY
delete s from json_table({keys}, '$[*]' columns (workflow_name varchar(100) character set utf8mb4 path '$[0]', foreign_id varchar(255) character set utf8mb4 path '$[1]', spec varchar(255) character set utf8mb4 path '$[2]', slot datetime(3) path '$[3]')) d straight_join workflow_slots s force index (primary) on s.workflow_name = d.workflow_name and s.foreign_id = d.foreign_id and s.spec = d.spec where s.slot <= d.slot;

-- workflow_dead_letters_by_run
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_dead_letters t force index (workflow_dead_letters_by_run) on t.run_id = d.run_id;

-- PRIMARY
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_history t force index (primary) on t.run_id = d.run_id;

-- PRIMARY
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_inbox t force index (primary) on t.run_id = d.run_id;

-- PRIMARY
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_records t force index (primary) on t.run_id = d.run_id;

-- PRIMARY
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_retries t force index (primary) on t.run_id = d.run_id;

-- PRIMARY
delete t from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_timeouts t force index (primary) on t.run_id = d.run_id;

-- PRIMARY
select `key`, payload, applied from workflow_inbox where run_id = {run} and status = {n} order by noted, `key`;

-- whole table
select count(*) from workflow_dead_letters;

-- PRIMARY
select count(*) from workflow_history force index (primary) where run_id in ({run});

-- workflow_records_by_age
select created_at, run_id from workflow_records force index (workflow_records_by_age) where workflow_records.workflow_name = {workflow} and created_at < {at} and created_at >= {since} and (created_at > {since} or run_id > {run}) order by created_at, run_id limit 1 offset {n};

-- workflow_records_by_age
select created_at, run_id, run_state, updated_at from workflow_records force index (workflow_records_by_age) where workflow_records.workflow_name = {workflow} and updated_at < {at} and created_at >= {since} and (created_at > {since} or run_id > {run}) and created_at <= {at} and (created_at < {at} or run_id <= {run}) and run_state in ({n}, {n}, {n}) order by created_at, run_id limit {n};

-- PRIMARY
select data from workflow_dead_letters where id = {text} for update;

-- workflow_outbox_by_run
select distinct run_id from workflow_outbox force index (workflow_outbox_by_run) where run_id in ({run});

-- PRIMARY
select distinct run_id, to_status from workflow_history force index (primary) where (run_id = {run} and to_status = {n});

-- PRIMARY
select epoch from workflow_roles where role = {text} for update;

-- any
select id, workflow_name, data from workflow_outbox where run_id is null and id > {text} and created_at <= {at} order by id limit {n};

-- PRIMARY
select id, workflow_name, data, created_at from workflow_outbox where id > {text} order by id limit {n};

-- workflow_dead_letters_by_age
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters order by created_at, id limit {n};

-- any
select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters where ({text} is null or workflow_dead_letters.workflow_name = {workflow}) and ({text} is null or run_id = {run}) and created_at >= {at} and (created_at > {at} or id > {text}) order by created_at, id limit {n};

-- PRIMARY
select last_event_id from workflow_records where run_id = {run};

-- any
select max(slot) from workflow_slots where workflow_name = {workflow} and foreign_id = {foreign_id} and spec = {text};

-- PRIMARY
select r.run_id, r.version, r.process from json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$[0]', version bigint path '$[1]', process varchar(255) character set utf8mb4 path '$[2]')) d straight_join workflow_retries r force index (primary) on r.run_id = d.run_id and r.version = d.version and r.process = d.process for update;

-- PRIMARY
select role, epoch from workflow_roles force index (primary) where role in ({text}) order by role lock in share mode;

-- workflow_dead_letters_by_run
select run_id from workflow_dead_letters force index (workflow_dead_letters_by_run) where (run_id = {run} and version = {n});

-- workflow_dead_letters_by_run
select run_id from workflow_dead_letters force index (workflow_dead_letters_by_run) where run_id in ({run});

-- any
select run_id from workflow_records force index (primary) where (run_id = {run} and run_state = {n} and updated_at = {at}) for update skip locked;

-- workflow_records_by_age, workflow_outbox_by_run
select run_id from workflow_records force index (workflow_records_by_age) where workflow_records.workflow_name = {workflow} and created_at < {at} and updated_at < {at} and run_state in ({n}, {n}, {n}) and (select count(*) from workflow_outbox o where o.run_id = convert(workflow_records.run_id using ascii)) = 0 and (select count(*) from workflow_retries y where y.run_id = convert(workflow_records.run_id using ascii) and y.due_at is not null) = 0 and not exists (select 1 from workflow_outbox g where g.run_id is null and g.workflow_name = {workflow}) order by created_at limit {n} for update skip locked;

-- PRIMARY
select run_id from workflow_retries force index (primary) where (run_id = {run} and version = {n});

-- PRIMARY
select run_id from workflow_retries force index (primary) where due_at is not null and run_id in ({run});

-- workflow_timeouts_due
select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at, cast(unix_timestamp(now(3)) * 1000 as signed) from workflow_timeouts force index (workflow_timeouts_due) where state = 0 and workflow_name = {workflow} order by expire_at limit {n};

-- PRIMARY
select run_id, status, max(noted) from workflow_inbox force index (primary) where (run_id = {run} and status = {n}) group by run_id, status;

-- PRIMARY
select run_id, version, meta from workflow_records force index (primary) where run_id in ({run}) order by run_id for update skip locked;

-- PRIMARY
select run_id, version, process, attempt, due_at, last_error, event from workflow_retries force index (primary) where (run_id = {run} and version = {n} and process = {text});

-- workflow_retries_due
select run_id, version, process, attempt, due_at, last_error, event, cast(unix_timestamp(now(3)) * 1000 as signed) from workflow_retries force index (workflow_retries_due) where due_at is not null and workflow_name = {workflow} order by due_at limit {n};

-- PRIMARY
select run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id in ({run});

-- PRIMARY
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records force index (primary) where run_id in ({run});

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records force index (workflow_records_by_age) where true and workflow_records.workflow_name = {workflow} and created_at <= {at} and (created_at < {at} or run_id < {run}) order by created_at desc, run_id desc limit {n};

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records force index (workflow_records_by_age) where true and workflow_records.workflow_name = {workflow} and created_at >= {at} and (created_at > {at} or run_id > {run}) order by created_at asc, run_id asc limit {n};

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records force index (workflow_records_live) where workflow_records.workflow_name = {workflow} and live = 1 and workflow_records.foreign_id > coalesce((select workflow_records.foreign_id from workflow_records where run_id = {run}), '') order by workflow_records.foreign_id limit {n};

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and created_at <= {at} and (created_at < {at} or run_id < {run}) order by created_at desc, run_id desc limit {n};

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and created_at >= {at} and (created_at > {at} or run_id > {run}) order by created_at asc, run_id asc limit {n};

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} and (live is null or live = 1) and workflow_records.foreign_id in ({foreign_id}) order by created_at asc, run_id asc limit {n} offset {n};

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} and (live is null or live = 1) and workflow_records.foreign_id in ({foreign_id}) order by created_at desc, run_id desc limit {n} offset {n};

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} and status in ({n}) and run_state in ({n}) order by created_at asc, run_id asc limit {n} offset {n};

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} and status in ({n}) and run_state in ({n}) order by created_at desc, run_id desc limit {n} offset {n};

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} order by created_at asc, run_id asc limit {n} offset {n};

-- workflow_records_by_age
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true and workflow_records.workflow_name = {workflow} order by created_at desc, run_id desc limit {n} offset {n};

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true order by created_at asc, run_id asc limit {n} offset {n};

-- whole table
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where true order by created_at desc, run_id desc limit {n} offset {n};

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_records.workflow_name = {workflow} and live = 1 and workflow_records.foreign_id = {foreign_id};

-- workflow_records_live
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_records.workflow_name = {workflow} and live is null and workflow_records.foreign_id = {foreign_id} and age = (select max(age) from workflow_records where workflow_records.workflow_name = {workflow} and live is null and workflow_records.foreign_id = {foreign_id}) order by run_id desc limit 1;

-- workflow_records_start_key
select run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where workflow_records.workflow_name = {workflow} and start_key = {text};

-- PRIMARY
select s.workflow_name, count(*), min(s.created_at), max(s.id) from (select id, workflow_name, created_at from workflow_outbox force index (primary) where id > {text} order by id limit {n}) s group by s.workflow_name;

-- workflow_records_by_age
select workflow_name from workflow_records force index (workflow_records_by_age) where workflow_records.workflow_name > {workflow} order by workflow_records.workflow_name limit 1;

-- workflow_records_live
select workflow_name, foreign_id, run_id from workflow_records force index (workflow_records_live) where (workflow_records.workflow_name = {workflow} and live = 1 and workflow_records.foreign_id = {foreign_id});

-- PRIMARY
select workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, paused_by, start_key from workflow_records where run_id in ({run});

-- PRIMARY
select workflow_name, version, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object from workflow_history where run_id = {run} and version > {n} order by version limit {n};

-- PRIMARY
update json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_records r force index (primary) on r.run_id = d.run_id straight_join workflow_history h force index (primary) on h.run_id = d.run_id set h.object = r.object where h.object is not null;

-- PRIMARY
update json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_records r force index (primary) on r.run_id = d.run_id straight_join workflow_history h force index (primary) on h.run_id = d.run_id set h.reason = '' where h.version < r.version;

-- PRIMARY
update json_table({keys}, '$[*]' columns (run_id varchar(64) character set ascii path '$')) d straight_join workflow_retries r force index (primary) on r.run_id = d.run_id set r.last_error = '';

-- PRIMARY
update workflow_inbox force index (primary) set applied = 1, payload = '' where (run_id = {run} and status = {n} and `key` = {text});

-- PRIMARY
update workflow_roles set epoch = {n} where role = {text};

-- PRIMARY
update workflow_timeouts force index (primary) set state = 0 where state = 1 and run_id in ({run});

-- PRIMARY
update workflow_timeouts force index (primary) set state = 1 where state in (0, 1) and ((run_id = {run} and entered = {n} and name = {text}));

-- PRIMARY
update workflow_timeouts force index (primary) set state = 2 where state in (0, 1) and ((run_id = {run} and entered = {n} and name = {text}));

-- PRIMARY
update workflow_timeouts force index (primary) set state = 3 where state in (0, 1) and ((run_id = {run} and entered = {n}));

-- PRIMARY
update workflow_timeouts force index (primary) set state = 3 where state in (0, 1) and run_id in ({run});

-- PRIMARY
select id, workflow_name, data, created_at from workflow_outbox force index (primary) where id > {text} and coalesce(bucket, 0) % {n} = {n} order by id limit {n};

-- whole table, PRIMARY
select count(*), min(s.created_at) from (select created_at from workflow_outbox force index (primary) where id > {text} and coalesce(bucket, 0) % {n} = {n} order by id limit {n}) s;

-- whole table
select distinct doorbell from workflow_roles where doorbell is not null;

-- whole table, workflow_retries_due
select count(*) from (select attempt from workflow_retries force index (workflow_retries_due) where due_at is not null and workflow_name = {workflow} order by due_at limit {n}) r where r.attempt > 0;

-- PRIMARY
select doorbell from workflow_roles where role = {text};
