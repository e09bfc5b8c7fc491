insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, version, start_key)
    select if(seq mod 2, 'other', 'orders'), concat('key-', seq), concat('run-', seq), if(seq mod 20, 5, 2), 1, '{}',
    utc_timestamp(3) - interval seq second, utc_timestamp(3) - interval seq second, 1, concat('text-', seq) from {numbers};
insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, version)
    values ('orders', 'key-20', 'run-0', 5, 1, '{}', utc_timestamp(3), utc_timestamp(3), 1);
insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket)
    select concat('text-', seq), 'orders', '', utc_timestamp(3), concat('run-', seq), 1, 1 from {numbers};
insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, state, expire_at, created_at)
    select concat('run-', seq), 1, concat('text-', seq), if(seq mod 2, 'other', 'orders'), 'x', 1, if(seq mod 20, 2, 0),
    utc_timestamp(3) + interval seq second, utc_timestamp(3) from {numbers};
insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event)
    select concat('run-', seq), 1, concat('text-', seq), if(seq mod 2, 'other', 'orders'), 1,
    if(seq mod 20, null, utc_timestamp(3) + interval seq second), '', '' from {numbers};
insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, duration_us, at)
    select concat('run-', seq), 1, 'orders', 1, 1, '', 'step', 1, 1, utc_timestamp(3) from {numbers};
insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at)
    select concat('text-', seq), 'orders', concat('run-', seq), 1, 'p', '', '', utc_timestamp(3) - interval seq second from {numbers};
insert into workflow_inbox (run_id, status, `key`, payload, applied, noted)
    select concat('run-', seq), 1, concat('text-', seq), '', 0, seq from {numbers};
insert into workflow_slots (workflow_name, foreign_id, spec, slot)
    select 'orders', concat('key-', seq), concat('text-', seq), utc_timestamp(3) - interval seq second from {numbers};
insert into workflow_roles (role, epoch) select concat('text-', seq), 1 from {numbers};
analyze table workflow_records, workflow_outbox, workflow_timeouts, workflow_retries, workflow_history, workflow_dead_letters,
    workflow_inbox, workflow_slots, workflow_roles
