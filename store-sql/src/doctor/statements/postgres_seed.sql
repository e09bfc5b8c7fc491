insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, version, start_key)
    select case when seq % 2 = 1 then 'other' else 'orders' end, 'key-' || seq, 'run-' || seq, case when seq % 20 = 0 then 2 else 5 end,
    1, '{}', (now() at time zone 'utc') - seq * interval '1 second', now() at time zone 'utc', 1, 'text-' || seq from {numbers};
insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket)
    select 'text-' || seq, 'orders', '', now() at time zone 'utc', 'run-' || seq, 1, 1 from {numbers};
insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, state, expire_at, created_at)
    select 'run-' || seq, 1, 'text-' || seq, case when seq % 2 = 1 then 'other' else 'orders' end, 'x', 1,
    case when seq % 20 = 0 then 0 else 2 end, (now() at time zone 'utc') + seq * interval '1 second', now() at time zone 'utc'
    from {numbers};
insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event)
    select 'run-' || seq, 1, 'text-' || seq, case when seq % 2 = 1 then 'other' else 'orders' end, 1,
    case when seq % 20 = 0 then (now() at time zone 'utc') + seq * interval '1 second' end, '', '' from {numbers};
insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, duration_us, at)
    select 'run-' || seq, 1, 'orders', 1, 1, '', 'step', 1, 1, now() at time zone 'utc' from {numbers};
insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at)
    select 'text-' || seq, 'orders', 'run-' || seq, 1, 'p', '', '', now() at time zone 'utc' from {numbers};
insert into workflow_inbox (run_id, status, key, payload, applied, noted)
    select 'run-' || seq, 1, 'text-' || seq, '', 0, seq from {numbers};
insert into workflow_slots (workflow_name, foreign_id, spec, slot)
    select 'orders', 'key-' || seq, 'text-' || seq, now() at time zone 'utc' from {numbers};
insert into workflow_roles (role, epoch) select 'text-' || seq, 1 from {numbers};
analyze workflow_records, workflow_outbox, workflow_timeouts, workflow_retries, workflow_history, workflow_dead_letters,
    workflow_inbox, workflow_slots, workflow_roles
