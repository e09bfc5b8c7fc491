-- The indexes of the Go library's database guide, for operators who list by status or run state.
alter table workflow_records
    add key by_workflow_name_foreign_id_status (workflow_name, foreign_id, status),
    add key by_run_state (run_state),
    add key by_created_at (created_at);
alter table workflow_outbox add key by_workflow_name (workflow_name);
