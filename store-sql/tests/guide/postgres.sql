-- As the Go library's database guide has it.
-- Create workflow records table
CREATE TABLE workflow_records (
    workflow_name          VARCHAR(255) NOT NULL,
    foreign_id             VARCHAR(255) NOT NULL,
    run_id                 VARCHAR(255) NOT NULL,
    run_state              INTEGER NOT NULL,
    status                 INTEGER NOT NULL,
    object                 BYTEA NOT NULL,
    created_at             TIMESTAMP(3) NOT NULL,
    updated_at             TIMESTAMP(3) NOT NULL,
    meta                   BYTEA,

    PRIMARY KEY(run_id)
);

CREATE INDEX idx_workflow_name_foreign_id_status ON workflow_records(workflow_name, foreign_id, status);
CREATE INDEX idx_run_state ON workflow_records(run_state);
CREATE INDEX idx_created_at ON workflow_records(created_at);

-- Create workflow outbox table
CREATE TABLE workflow_outbox (
    id                 VARCHAR(255) NOT NULL,
    workflow_name      VARCHAR(255) NOT NULL,
    data               BYTEA,
    created_at         TIMESTAMP(3) NOT NULL,

    PRIMARY KEY (id)
);

CREATE INDEX idx_outbox_workflow_name ON workflow_outbox(workflow_name);
