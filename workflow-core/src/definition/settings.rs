//! What can be said about the parts of a workflow, and about the whole.

use std::sync::Arc;
use std::time::Duration;

use super::builder::Builder;
use super::draft::{Draft, DraftPart, Part};
use super::{History, Options, OutboxOptions, Problem};
use crate::Status;

impl<T, S, App> Builder<T, S, App>
where
    T: Send + Sync + 'static,
    S: Status,
    App: Send + Sync + 'static,
{
    /// Sets options of the part before this: a step, timeout, hook or connector. What is said later goes before.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined]).with(Options::new().shards(17)).with(Options::new().pause_after(5))
    ///     .callback(Paid, scanned, [Shipped])
    ///     .build()?;
    /// let refused = orders.run(Memory::new()).await.err().unwrap();
    /// assert!(refused.to_string().contains("has 17 shards, but topic orders-1 has 16 partitions"), "{refused}");
    /// # );
    /// ```
    pub fn with(self, options: Options) -> Self {
        self.modify("with", "a step, timeout, hook or connector", |part| {
            part.options = Some(options.inherit(&part.options.take().unwrap_or_default()));
            !matches!(part.part, Part::Callback { .. })
        })
    }

    /// Keeps early calls of the callback before this until its status is entered.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .callback(Placed, scanned, [Paid, Declined, Shipped])
    ///     .callback(Paid, scanned, [Shipped]).buffered()
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.callback(Paid, "order-17", r#""1Z-17""#).await?, CallbackOutcome::Buffered);
    /// # );
    /// ```
    pub fn buffered(self) -> Self {
        self.modify("buffered", "a callback", |part| match &mut part.part {
            Part::Callback { buffered, .. } => {
                *buffered = true;
                true
            }
            _ => false,
        })
    }

    /// Names the timeout before this. Stored timers know their timeout by its name: `timeout-1` for the first of a
    /// status, `timeout-2` for the second, if none is given.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let day = Duration::from_hours(24);
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .timeout(Paid, after(day), decline, [Declined]).named("too late")
    ///     .timeout(Paid, after(2 * day), decline, [Shipped]).named("too late")
    ///     .build();
    /// let problems = orders.unwrap_err();
    /// assert!(problems.to_string().contains("two timeouts of one status called \"too late\""), "{problems}");
    /// ```
    pub fn named(self, name: impl Into<String>) -> Self {
        let given = name.into();
        self.modify("named", "a timeout", |part| match &mut part.part {
            Part::Timeout { name, .. } => {
                *name = Some(given);
                true
            }
            _ => false,
        })
    }

    /// What deletes the personal parts of an object, instead of all of it, when a run's data is deleted.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .delete_with(|order: &mut Order| order.cents = 0)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// running.wait_for(&run).finished().await?;
    /// running.delete_data(&run, "asked for by the customer").await?;
    /// # while running.get(&run).await?.run_state() != RunState::DataDeleted { tokio::task::yield_now().await; }
    /// assert_eq!(running.get(&run).await?.object()?, Order { cents: 0 });
    /// # );
    /// ```
    pub fn delete_with(mut self, delete: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.draft.delete = Some(Arc::new(delete));
        self
    }

    /// Sets options of all parts, wherever they stand; what a part says itself goes before.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .options(Options::new().shards(17))
    ///     .step(Placed, pay, [Paid, Declined]).with(Options::new().shards(2))
    ///     .step(Paid, decline, [Declined, Shipped])
    ///     .build()?;
    /// let refused = orders.run(Memory::new()).await.err().unwrap();
    /// assert!(refused.to_string().contains("topic orders-2 has 16 partitions"), "{refused}");
    /// # );
    /// ```
    pub fn options(mut self, options: Options) -> Self {
        self.draft.options = options.inherit(&self.draft.options);
        self
    }

    /// Starts runs in this status; by default, in the one that the first step, callback or timeout takes.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let orders = Workflow::builder("orders")
    ///     .callback(Paid, scanned, [Shipped])
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .start_at(Placed)
    ///     .build()?;
    /// assert_eq!(orders.graph().start(), "Placed");
    /// # Ok::<(), DefinitionErrors>(())
    /// ```
    pub fn start_at(mut self, status: S) -> Self {
        self.draft.start = Some(status);
        self
    }

    /// Resumes a run that the engine paused, because its function kept failing, after so long; 1 h by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn charge(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    ///     // The bank takes nothing before the run has been paused and resumed: version 1, 2, 3.
    ///     if run.version().get() < 3 { Err(terminal("the bank is closed")) } else { Ok(Paid) }
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .resume_after(Duration::from_millis(1))
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert!(running.wait_for(&run).status(Paid).await?.is_reached());
    /// # );
    /// ```
    pub fn resume_after(mut self, pause: Duration) -> Self {
        self.draft.resume_after = Some(pause);
        self
    }

    /// Leaves a run that the engine paused to an operator.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn charge(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    ///     if run.version().get() < 3 { Err(terminal("the bank is closed")) } else { Ok(Paid) }
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .never_resume()
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.wait_for(&run).at_rest().await?.run_state(), RunState::Paused);
    /// running.resume(&run).await?;
    /// assert!(running.wait_for(&run).status(Paid).await?.is_reached());
    /// # );
    /// ```
    pub fn never_resume(mut self) -> Self {
        self.draft.resume_after = None;
        self
    }

    /// Sets how the relay inside the process reads the outbox.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .outbox(OutboxOptions::default().batch(0))
    ///     .build();
    /// assert!(orders.unwrap_err().to_string().contains("the outbox: batch is 0"));
    /// ```
    pub fn outbox(mut self, options: OutboxOptions) -> Self {
        self.draft.outbox = options;
        self
    }

    /// Sets what is kept of each commit; one row by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .history(History::WithObjects)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// running.wait_for(&run).finished().await?;
    /// assert_eq!(running.history(&run).await?[0].object.as_deref(), Some(&br#"{"cents":50000}"#[..]));
    /// # );
    /// ```
    pub fn history(mut self, history: History) -> Self {
        self.draft.history = history;
        self
    }

    /// Looks so often for runs that nothing drives, among those that were not touched for as long; 60 s by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .reconcile_every(Duration::ZERO)
    ///     .build();
    /// assert!(orders.unwrap_err().to_string().contains("reconcile_every is 0ns: use a minute or so"));
    /// ```
    pub fn reconcile_every(mut self, period: Duration) -> Self {
        self.draft.reconcile_every = period;
        self
    }

    /// Gives the functions the state that they share: what `&App` is in their last parameter.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// struct Clients {
    ///     limit_cents: u64,
    /// }
    ///
    /// async fn charge(run: &mut Run<Order, OrderStatus>, clients: &Clients) -> Step<OrderStatus> {
    ///     Ok(if run.object.cents > clients.limit_cents { Declined } else { Paid })
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .state(Clients { limit_cents: 100 })
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.wait_for(&run).finished().await?.status(), Declined);
    /// # );
    /// ```
    pub fn state(self, app: App) -> Builder<T, S, ()> {
        let app = Arc::new(app);
        let Builder { mut draft, bind, follows_part } = self;
        draft.parts.extend(bind.into_iter().map(|bind| bind(&app)));
        Builder { draft, bind: Vec::new(), follows_part }
    }

    /// Changes the part before; notes a problem if there is none that fits.
    fn modify(
        mut self,
        modifier: &'static str,
        follows: &'static str,
        change: impl FnOnce(&mut DraftPart<T, S>) -> bool + Send + 'static,
    ) -> Self {
        let misplaced = Problem::Misplaced { modifier, follows };
        let change = move |part: &mut DraftPart<T, S>| {
            if !change(part) {
                part.problems.push(misplaced);
            }
        };
        if !self.follows_part {
            self.draft.problems.push(Problem::Misplaced { modifier, follows });
        } else if let Some(bind) = self.bind.pop() {
            self.bind.push(Box::new(move |app| {
                let mut part = bind(app);
                change(&mut part);
                part
            }));
        } else {
            change_last(&mut self.draft, change, Problem::Misplaced { modifier, follows });
        }
        self
    }
}

/// Changes the last part whose shared state is known already.
fn change_last<T, S>(draft: &mut Draft<T, S>, change: impl FnOnce(&mut DraftPart<T, S>), misplaced: Problem) {
    match draft.parts.last_mut() {
        Some(part) => change(part),
        None => draft.problems.push(misplaced),
    }
}
