//! A segmented, checksummed log: the indexer's WAL and the shipper's journal and spool.
