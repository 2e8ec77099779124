//! What an epoch erases, once its rows are written: whatever they do not take back themselves.

use super::EpochTransaction;
use crate::postgres::encode::Timestamp;
use crate::postgres::error::PostgresError;
use crate::postgres::tables::Erasing;
use crate::sink::gathered::ErasedCustomer;
use postgres::Transaction;

/// Job, customer, instant: of several erasures of one customer the one that reaches farthest.
const REMEMBER: &str = "
    INSERT INTO erased_customers (job, customer_id, instant) VALUES ($1, $2, $3)
    ON CONFLICT (job, customer_id) DO UPDATE SET instant = greatest(erased_customers.instant, \
    excluded.instant)";

impl EpochTransaction<'_> {
    /// Removes what the rows of this epoch do not take back of those whom it erases, and tells in
    /// the reports how much was blanked.
    pub(super) fn erase(&self, transaction: &mut Transaction<'_>) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("erase a customer");
        for erased in self.erased {
            transaction
                .execute(
                    REMEMBER,
                    &[&self.settings.job, &erased.customer, &Timestamp(erased.until)],
                )
                .map_err(failed())?;
            let blanked = self.remove(transaction, erased).map_err(failed())?;
            if blanked > 0 {
                self.report(transaction, erased, blanked).map_err(failed())?;
            }
        }
        if self.erased.iter().any(|erased| erased.learned) {
            for erasing in &self.statements.erasing {
                if let Erasing::Empty(empty) = erasing {
                    transaction.execute(empty, &[]).map_err(failed())?;
                }
            }
        }
        Ok(())
    }

    /// Gives how many rows are blanked.
    fn remove(
        &self,
        transaction: &mut Transaction<'_>,
        erased: &ErasedCustomer,
    ) -> Result<i64, postgres::Error> {
        let (customer, until) = (erased.customer, Timestamp(erased.gone_until));
        let mut blanked = 0;
        for erasing in &self.statements.erasing {
            match erasing {
                Erasing::Delete(delete) => {
                    transaction.execute(delete, &[&customer, &until])?;
                }
                Erasing::Blank(blank) => {
                    let rows = transaction.execute(blank, &[&customer, &until, &self.epoch()])?;
                    blanked += rows as i64;
                }
                Erasing::Empty(_) | Erasing::Count(_) => {}
            }
        }
        Ok(blanked)
    }

    fn report(
        &self,
        transaction: &mut Transaction<'_>,
        erased: &ErasedCustomer,
        blanked: i64,
    ) -> Result<(), postgres::Error> {
        let (customer, until) = (erased.customer, Timestamp(erased.until));
        for erasing in &self.statements.erasing {
            if let Erasing::Count(count) = erasing {
                transaction.execute(count, &[&customer, &until, &self.epoch(), &blanked])?;
            }
        }
        Ok(())
    }
}
