//! A namespace belongs to one database.

use scheduler_etcd::{EtcdError, EtcdObserver};
use uuid::Uuid;

use crate::support::{connect, fresh};

#[tokio::test]
async fn a_namespace_is_refused_to_a_second_database() {
    let config = fresh();
    let scheduler = connect(&config).await;
    let observer = EtcdObserver::connect(config).await.unwrap();
    assert_eq!(observer.namespace_database().await.unwrap(), None);
    let (database, other) = (Uuid::new_v4(), Uuid::new_v4());
    scheduler.bind_namespace(database).await.unwrap();
    scheduler.bind_namespace(database).await.unwrap();
    assert_eq!(observer.namespace_database().await.unwrap(), Some(database));
    let error = scheduler.bind_namespace(other).await.unwrap_err();
    assert!(matches!(&error, EtcdError::ForeignDatabase { database, .. } if *database == other));
    let text = error.to_string();
    assert!(text.contains(&database.to_string()) && text.contains("workflow/database"), "{text}");
}
