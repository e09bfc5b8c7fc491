-- Tables for MariaDB 10.6 and later. On MySQL 8 the collation is utf8mb4_0900_bin, which compares in the same way.
create table workflow_schema (
    version int not null,
    oldest_program int not null,
    records varchar(64),
    outbox varchar(64),
    adopted int not null default 0
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

-- `live` and `age` put the one unfinished run of a foreign id before its finished ones: NULL never collides.
create table workflow_records (
    workflow_name varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    foreign_id varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    run_id varchar(64) character set ascii collate ascii_bin not null,
    run_state int not null,
    status int not null,
    object longblob not null,
    created_at datetime(3) not null,
    updated_at datetime(3) not null,
    meta blob,
    version bigint,
    last_event_id varchar(64) character set ascii collate ascii_bin,
    paused_by varchar(16) character set ascii collate ascii_bin,
    start_key varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin,
    live tinyint as (if(run_state between 1 and 3, 1, null)) virtual,
    age datetime(3) as (if(run_state between 1 and 3, timestamp'9999-12-31 00:00:00.000', created_at)) virtual,
    primary key (run_id),
    unique key workflow_records_live (workflow_name, live, foreign_id, age),
    unique key workflow_records_start_key (workflow_name, start_key),
    key workflow_records_by_age (workflow_name, created_at)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_outbox (
    id varchar(64) character set ascii collate ascii_bin not null,
    workflow_name varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    data blob,
    created_at datetime(3) not null,
    run_id varchar(64) character set ascii collate ascii_bin,
    record_version bigint,
    bucket smallint,
    primary key (id),
    key workflow_outbox_by_run (run_id)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_timeouts (
    run_id varchar(64) character set ascii collate ascii_bin not null,
    entered bigint not null,
    name varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    workflow_name varchar(100) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    foreign_id varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    status int not null,
    state tinyint not null default 0,
    expire_at datetime(3) not null,
    created_at datetime(3) not null,
    primary key (run_id, entered, name),
    key workflow_timeouts_due (workflow_name, state, expire_at)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_retries (
    run_id varchar(64) character set ascii collate ascii_bin not null,
    version bigint not null,
    process varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    workflow_name varchar(100) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    attempt bigint not null,
    due_at datetime(3),
    last_error mediumtext not null,
    event mediumblob not null,
    primary key (run_id, version, process),
    key workflow_retries_due (workflow_name, due_at)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_history (
    run_id varchar(64) character set ascii collate ascii_bin not null,
    version bigint not null,
    workflow_name varchar(100) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    from_status int,
    to_status int not null,
    run_state int not null,
    reason mediumtext not null,
    actor varchar(64) not null,
    attempt bigint not null,
    duration_us bigint not null,
    at datetime(3) not null,
    object longblob,
    primary key (run_id, version)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_dead_letters (
    id varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    workflow_name varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    run_id varchar(64) character set ascii collate ascii_bin,
    version bigint,
    process varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    reason mediumtext not null,
    data longblob not null,
    created_at datetime(3) not null,
    primary key (id),
    key workflow_dead_letters_by_age (created_at, id),
    key workflow_dead_letters_by_run (run_id)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_inbox (
    run_id varchar(64) character set ascii collate ascii_bin not null,
    status int not null,
    `key` varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    payload longblob not null,
    applied tinyint not null,
    noted bigint not null,
    primary key (run_id, status, `key`)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_slots (
    workflow_name varchar(100) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    foreign_id varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    spec varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    slot datetime(3) not null,
    primary key (workflow_name, foreign_id, spec, slot)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;

create table workflow_roles (
    role varchar(700) character set utf8mb4 collate utf8mb4_nopad_bin not null,
    epoch bigint not null,
    doorbell varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin,
    primary key (role)
) engine=InnoDB default character set utf8mb4 collate utf8mb4_nopad_bin row_format=dynamic;
