-- Where a job began: the first offset of every partition, in the form of epochs.offsets. Without a checkpoint a restart begins there again.
ALTER TABLE progress ADD COLUMN starts jsonb;
