-- The indexes of the Go library's database guide, for operators who list by status or run state.
create index idx_workflow_name_foreign_id_status on workflow_records (workflow_name, foreign_id, status);
create index idx_run_state on workflow_records (run_state);
create index idx_created_at on workflow_records (created_at);
create index idx_outbox_workflow_name on workflow_outbox (workflow_name);
