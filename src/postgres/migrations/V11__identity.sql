-- Of which history an epoch is: the `identity` that `progress` had when it was committed; NULL for one of before this column.
ALTER TABLE epochs ADD COLUMN identity text;
