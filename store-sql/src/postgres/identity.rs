//! The id of the schema's tables.

use workflow_core::adapter::BackendError;

use super::connect::Conn;
use super::reading::read;
use super::store::PostgresStore;
use crate::database::identity::{ROW, made};

const PUT_ID: &str = "insert into workflow_roles as r (role, epoch, doorbell) values ($1, 0, $2) on conflict (role) do nothing";

const ID: &str = "select doorbell from workflow_roles where role = $1";

impl PostgresStore {
    /// The id, which is made if there is none.
    pub(crate) async fn kept_id(&self) -> Result<Option<String>, BackendError> {
        if let Some(id) = self.read_id().await? {
            return Ok(Some(id));
        }
        let new = made();
        let put = self.primary().transaction("put the id of the database", move |tx| {
            let query = sqlx::query(tx.sql(PUT_ID)).bind(ROW).bind(new.clone());
            Box::pin(async move { query.execute(tx.raw()).await.map(drop) })
        });
        put.await?;
        self.read_id().await
    }

    async fn read_id(&self) -> Result<Option<String>, BackendError> {
        read!(*self.primary(), "read the id of the database", |connection| id(connection))
    }
}

async fn id(connection: &mut Conn<'_>) -> Result<Option<String>, sqlx::Error> {
    let query = sqlx::query_scalar::<_, Option<String>>(connection.sql(ID)).bind(ROW);
    Ok(query.fetch_optional(connection.raw()).await?.flatten())
}
