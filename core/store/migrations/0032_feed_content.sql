-- Finds by name what the feed holds by content, which a sweep asks for each
-- finding list and package set that no image names.
CREATE INDEX feed_findings ON feed_records (name) WHERE kind = 'findings';
CREATE INDEX feed_package_sets ON feed_records (name) WHERE kind = 'packageset';
