//! The id of the database's tables.

use workflow_core::adapter::BackendError;

use super::rows::value;
use super::store::MySqlStore;
use super::transaction::Ended;
use crate::database::identity::{ROW, made};

const PUT_ID: &str = "insert into workflow_roles (role, epoch, doorbell) values (?, 0, ?) on duplicate key update role = workflow_roles.role";

const ID: &str = "select doorbell from workflow_roles where role = ?";

impl MySqlStore {
    /// The id, which is made if there is none.
    pub(crate) async fn kept_id(&self) -> Result<Option<String>, BackendError> {
        if let Some(id) = self.read_id().await? {
            return Ok(Some(id));
        }
        let new = made();
        let put = self.server().transaction("put the id of the database", move |mut connection, _| {
            let query = sqlx::query(connection.sql(PUT_ID)).bind(ROW).bind(new.clone());
            Box::pin(async move {
                query.execute(connection.raw()).await?;
                Ok(Ended::Commit(()))
            })
        });
        put.await?;
        self.read_id().await
    }

    async fn read_id(&self) -> Result<Option<String>, BackendError> {
        let read = self.server().read("read the id of the database", |mut connection| {
            Box::pin(async move {
                let query = sqlx::query(connection.sql(ID)).bind(ROW);
                let row = query.fetch_optional(connection.raw()).await?;
                Ok(row.as_ref().map(|row| value::<Option<String>>(row, 0)).transpose()?.flatten())
            })
        });
        read.await
    }
}
