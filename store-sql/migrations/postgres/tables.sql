-- Tables for PostgreSQL 15 and later. The first nine columns of the records and the first four of the outbox are those of the
-- Go library's database guide.

create table workflow_schema (
    version integer not null,
    oldest_program integer not null,
    records varchar(64),
    outbox varchar(64),
    adopted integer not null default 0
);

create table workflow_records (
    workflow_name varchar(255) collate "C" not null,
    foreign_id varchar(255) collate "C" not null,
    run_id varchar(255) collate "C" not null,
    run_state integer not null,
    status integer not null,
    object bytea not null,
    created_at timestamp(3) not null,
    updated_at timestamp(3) not null,
    meta bytea,
    version bigint not null default 1,
    last_event_id varchar(64) collate "C",
    paused_by varchar(16),
    start_key varchar(255) collate "C",
    live boolean generated always as (run_state in (1, 2, 3)) stored,
    primary key (run_id)
) with (fillfactor = 50);
create unique index workflow_records_live on workflow_records (workflow_name, foreign_id) where live;
create unique index workflow_records_start_key on workflow_records (workflow_name, start_key)
    where start_key is not null;
create index workflow_records_by_foreign_id
    on workflow_records (workflow_name, foreign_id, created_at) with (fillfactor = 50);
create index workflow_records_by_age on workflow_records (workflow_name, created_at);

create table workflow_outbox (
    id varchar(255) collate "C" not null,
    workflow_name varchar(255) collate "C" not null,
    data bytea,
    created_at timestamp(3) not null,
    run_id varchar(64) collate "C",
    record_version bigint,
    bucket smallint,
    primary key (id)
);
create index workflow_outbox_by_run on workflow_outbox (run_id) where run_id is not null;
create index workflow_outbox_unrouted on workflow_outbox (workflow_name) where run_id is null;

create table workflow_timeouts (
    run_id varchar(255) collate "C" not null,
    entered bigint not null,
    name varchar(255) collate "C" not null,
    workflow_name varchar(255) collate "C" not null,
    foreign_id varchar(255) collate "C" not null,
    status integer not null,
    state smallint not null default 0,
    expire_at timestamp(3) not null,
    created_at timestamp(3) not null,
    primary key (run_id, entered, name)
);
create index workflow_timeouts_due on workflow_timeouts (workflow_name, expire_at) where state = 0;

create table workflow_retries (
    run_id varchar(255) collate "C" not null,
    version bigint not null,
    process varchar(255) collate "C" not null,
    workflow_name varchar(255) collate "C" not null,
    attempt integer not null,
    due_at timestamp(3),
    last_error text not null,
    event bytea not null,
    primary key (run_id, version, process)
);
create index workflow_retries_due on workflow_retries (workflow_name, due_at) where due_at is not null;

create table workflow_history (
    run_id varchar(255) collate "C" not null,
    version bigint not null,
    workflow_name varchar(255) collate "C" not null,
    from_status integer,
    to_status integer not null,
    run_state integer not null,
    reason text not null,
    actor varchar(64) not null,
    attempt integer not null,
    duration_us bigint not null,
    at timestamp(3) not null,
    object bytea,
    primary key (run_id, version)
);

create table workflow_dead_letters (
    id varchar(255) collate "C" not null,
    workflow_name varchar(255) collate "C" not null,
    run_id varchar(64) collate "C",
    version bigint,
    process varchar(255) collate "C" not null,
    reason text not null,
    data bytea not null,
    created_at timestamp(3) not null,
    primary key (id)
);
create index workflow_dead_letters_by_run on workflow_dead_letters (run_id) where run_id is not null;

create table workflow_inbox (
    run_id varchar(255) collate "C" not null,
    status integer not null,
    key varchar(255) collate "C" not null,
    payload bytea not null,
    applied smallint not null,
    noted bigint not null,
    primary key (run_id, status, key)
);

create table workflow_slots (
    workflow_name varchar(255) collate "C" not null,
    foreign_id varchar(255) collate "C" not null,
    spec varchar(255) collate "C" not null,
    slot timestamp(3) not null,
    primary key (workflow_name, foreign_id, spec, slot)
);

create table workflow_roles (
    role varchar(512) collate "C" not null,
    epoch bigint not null,
    doorbell varchar(255),
    primary key (role)
);
