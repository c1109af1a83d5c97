-- Run once, when the container's data folder is new. Natively each part asks for its own.
CREATE DATABASE shop;
CREATE DATABASE catalog;
CREATE DATABASE shop_pact;
CREATE DATABASE catalog_pact;
CREATE DATABASE ficus;
CREATE DATABASE unleash;
CREATE DATABASE pact_broker;
