-- `progress.published`: everything that the epochs up to this one have to publish, decisions and dead letters, is published. What is owed is
-- found by its epoch.
CREATE INDEX dead_letters_by_epoch ON dead_letters (epoch);
