create table workflow_schema (
    version integer not null,
    oldest_program integer not null,
    records text,
    outbox text,
    adopted integer not null default 0
);

create table workflow_records (
    run_id text not null primary key,
    workflow_name text not null,
    foreign_id text not null,
    run_state integer not null,
    status integer not null,
    object blob not null,
    created_at integer not null,
    updated_at integer not null,
    meta blob,
    version integer not null,
    last_event_id text,
    paused_by text,
    start_key text,
    live integer
) without rowid;
create unique index workflow_records_live on workflow_records (workflow_name, foreign_id) where live = 1;
create unique index workflow_records_start_key on workflow_records (workflow_name, start_key) where start_key is not null;
create index workflow_records_by_foreign_id on workflow_records (workflow_name, foreign_id, created_at);
create index workflow_records_by_age on workflow_records (workflow_name, created_at);

create table workflow_outbox (
    id text not null primary key,
    workflow_name text not null,
    data blob,
    created_at integer not null,
    run_id text,
    record_version integer,
    bucket integer
) without rowid;

create table workflow_timeouts (
    run_id text not null,
    entered integer not null,
    name text not null,
    workflow_name text not null,
    foreign_id text not null,
    status integer not null,
    state integer not null default 0,
    expire_at integer not null,
    created_at integer not null,
    primary key (run_id, entered, name)
) without rowid;
create index workflow_timeouts_due on workflow_timeouts (expire_at) where state = 0;

create table workflow_retries (
    run_id text not null,
    version integer not null,
    process text not null,
    workflow_name text not null,
    attempt integer not null,
    due_at integer,
    last_error text not null,
    event blob not null,
    primary key (run_id, version, process)
) without rowid;
create index workflow_retries_due on workflow_retries (due_at) where due_at is not null;

create table workflow_history (
    run_id text not null,
    version integer not null,
    workflow_name text not null,
    from_status integer,
    to_status integer not null,
    run_state integer not null,
    reason text not null,
    actor text not null,
    attempt integer not null,
    duration_us integer not null,
    at integer not null,
    object blob,
    primary key (run_id, version)
) without rowid;

create table workflow_dead_letters (
    id text not null primary key,
    workflow_name text not null,
    run_id text,
    version integer,
    process text not null,
    reason text not null,
    data blob not null,
    created_at integer not null
) without rowid;
create index workflow_dead_letters_by_run on workflow_dead_letters (run_id) where run_id is not null;

create table workflow_inbox (
    run_id text not null,
    status integer not null,
    key text not null,
    payload blob not null,
    applied integer not null,
    noted integer not null,
    primary key (run_id, status, key)
) without rowid;

create table workflow_slots (
    workflow_name text not null,
    foreign_id text not null,
    spec text not null,
    slot integer not null,
    primary key (workflow_name, foreign_id, spec, slot)
) without rowid;

create table workflow_roles (
    role text not null primary key,
    epoch integer not null,
    doorbell text
) without rowid;
