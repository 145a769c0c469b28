-- The chain id of all layers of an image (OCI image specification, config.md),
-- empty when they are not known: finds the images that others are built on.
ALTER TABLE images ADD COLUMN chain TEXT NOT NULL DEFAULT '';
CREATE INDEX images_by_chain ON images (chain) WHERE chain <> '';
