//! The id of the file's tables.

use workflow_core::adapter::BackendError;

use super::store::SqliteStore;
use crate::database::identity::{ROW, made};

const PUT_ID: &str =
    "insert into workflow_roles (role, epoch, doorbell) values (?, 0, ?) on conflict (role) do nothing";

const ID: &str = "select doorbell from workflow_roles where role = ?";

impl SqliteStore {
    /// The id, which is made if there is none.
    pub(crate) async fn kept_id(&self) -> Result<Option<String>, BackendError> {
        if let Some(id) = self.read_id().await? {
            return Ok(Some(id));
        }
        let put = self.writer().transaction("put the id of the database", |mut connection| {
            let query = sqlx::query(connection.sql(PUT_ID)).bind(ROW).bind(made());
            Box::pin(async move { query.execute(connection.raw()).await.map(drop) })
        });
        put.await?;
        self.read_id().await
    }

    async fn read_id(&self) -> Result<Option<String>, BackendError> {
        let read = self.read("read the id of the database", |mut reader| {
            let query = sqlx::query_scalar::<_, Option<String>>(reader.sql(ID)).bind(ROW);
            Box::pin(async move { Ok(query.fetch_optional(reader.raw()).await?.flatten()) })
        });
        read.await
    }
}
