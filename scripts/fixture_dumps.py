"""Golden cases of SQL dumps, as the programs write them: pg_dump 15, mariadb-dump 10.11, SQLite 3.40.

In each text a line begins with what becomes of it: ` |` it stays, `-|` it goes, `<|` it turns into the `>|` behind it.  People
are invented.
"""

from typing import List

from fixture_cases import ALICE, ALICE_ID_AND_MAIL, Case, Piece, erase, gone, keep, turn


def pieces(text: str) -> List[Piece]:
    out, before = [], ""
    for line in text.split("\n"):
        mark, line = line[:2], line[2:] + "\n"
        if mark == "-|":
            out.append(gone(line))
        elif mark == "<|":
            before = line
        elif mark == ">|":
            out.append(turn(before, line))
        else:
            out.append(keep(line))
    return out


COPY = r''' |--
 |-- PostgreSQL database dump
 |--
 |\restrict 0123456789abcdef
 |-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
 |-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)
 |SET statement_timeout = 0;
 |SET lock_timeout = 0;
 |SET idle_in_transaction_session_timeout = 0;
 |SET client_encoding = 'UTF8';
 |SET standard_conforming_strings = on;
 |SELECT pg_catalog.set_config('search_path', '', false);
 |SET check_function_bodies = false;
 |SET xmloption = content;
 |SET client_min_messages = warning;
 |SET row_security = off;
 |SET default_tablespace = '';
 |SET default_table_access_method = heap;
 |--
 |-- Name: Audit Log; Type: TABLE; Schema: public; Owner: -
 |--
 |CREATE TABLE public."Audit Log" (
 |    "who's" text,
 |    user_id integer
 |);
 |--
 |-- Name: order_lines; Type: TABLE; Schema: public; Owner: -
 |--
 |CREATE TABLE public.order_lines (
 |    order_id bigint NOT NULL,
 |    line smallint NOT NULL,
 |    article text
 |);
 |--
 |-- Name: orders; Type: TABLE; Schema: public; Owner: -
 |--
 |CREATE TABLE public.orders (
 |    id bigint NOT NULL,
 |    buyer integer,
 |    total numeric(10,2) NOT NULL
 |);
 |--
 |-- Name: users; Type: TABLE; Schema: public; Owner: -
 |--
 |CREATE TABLE public.users (
 |    id integer NOT NULL,
 |    email text,
 |    name character varying(40) NOT NULL,
 |    profile jsonb,
 |    tags text[],
 |    photo bytea
 |);
 |--
 |-- Data for Name: Audit Log; Type: TABLE DATA; Schema: public; Owner: -
 |--
 |COPY public."Audit Log" ("who's", user_id) FROM stdin;
 |it's\ttab	7
-|x	48213
 |valice@example.com	9
 |\N	\N
 |\.
 |--
 |-- Data for Name: order_lines; Type: TABLE DATA; Schema: public; Owner: -
 |--
 |COPY public.order_lines (order_id, line, article) FROM stdin;
 |1	1	alpha
 |2	1	beta
 |1	48	gamma
 |\.
 |--
 |-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: -
 |--
 |COPY public.orders (id, buyer, total) FROM stdin;
<|1	48213	48213.00
>|1	\N	48213.00
 |2	7	1.50
 |3	\N	0.00
 |\.
 |--
 |-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
 |--
 |COPY public.users (id, email, name, profile, tags, photo) FROM stdin;
-|48213	alice@example.com	Alice O'Neil	{"user": {"id": 48213}}	{a,"b c"}	\\x00ff
 |7	bob@example.net	Bob	\N	{}	\N
-|8	dan@example.org	Dan	{"note": "tab\\tmail:alice@example.com"}	\N	\\x616c696365406578616d706c652e636f6d
 |9	eve@example.net	Eve	{"note": "line\\nmalice@example.com"}	{"back\\\\\\\\slash"}	\\x48213a
 |\.
 |--
 |-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
 |--
 |ALTER TABLE ONLY public.orders
 |    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
 |--
 |-- Name: users users_email_key; Type: CONSTRAINT; Schema: public; Owner: -
 |--
 |ALTER TABLE ONLY public.users
 |    ADD CONSTRAINT users_email_key UNIQUE (email);
 |--
 |-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
 |--
 |ALTER TABLE ONLY public.users
 |    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
 |--
 |-- Name: order_lines order_lines_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
 |--
 |ALTER TABLE ONLY public.order_lines
 |    ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id) ON DELETE CASCADE;
 |--
 |-- Name: orders orders_buyer_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
 |--
 |ALTER TABLE ONLY public.orders
 |    ADD CONSTRAINT orders_buyer_fkey FOREIGN KEY (buyer) REFERENCES public.users(id);
 |--
 |-- PostgreSQL database dump complete
 |--
 |\unrestrict 0123456789abcdef'''

INSERTS = r''' |--
 |-- PostgreSQL database dump
 |--

 |\restrict 0123456789abcdef

 |-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
 |-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

 |SET statement_timeout = 0;
 |SET lock_timeout = 0;
 |SET idle_in_transaction_session_timeout = 0;
 |SET client_encoding = 'UTF8';
 |SET standard_conforming_strings = on;
 |SELECT pg_catalog.set_config('search_path', '', false);
 |SET check_function_bodies = false;
 |SET xmloption = content;
 |SET client_min_messages = warning;
 |SET row_security = off;

 |SET default_tablespace = '';

 |SET default_table_access_method = heap;

 |--
 |-- Name: Audit Log; Type: TABLE; Schema: public; Owner: -
 |--

 |CREATE TABLE public."Audit Log" (
 |    "who's" text,
 |    user_id integer
 |);


 |--
 |-- Name: order_lines; Type: TABLE; Schema: public; Owner: -
 |--

 |CREATE TABLE public.order_lines (
 |    order_id bigint NOT NULL,
 |    line smallint NOT NULL,
 |    article text
 |);


 |--
 |-- Name: orders; Type: TABLE; Schema: public; Owner: -
 |--

 |CREATE TABLE public.orders (
 |    id bigint NOT NULL,
 |    buyer integer,
 |    total numeric(10,2) NOT NULL
 |);


 |--
 |-- Name: users; Type: TABLE; Schema: public; Owner: -
 |--

 |CREATE TABLE public.users (
 |    id integer NOT NULL,
 |    email text,
 |    name character varying(40) NOT NULL,
 |    profile jsonb,
 |    tags text[],
 |    photo bytea
 |);


 |--
 |-- Data for Name: Audit Log; Type: TABLE DATA; Schema: public; Owner: -
 |--

 |INSERT INTO public."Audit Log" VALUES
<|	('it''s	tab', 7),
>|	('it''s	tab', 7);
-|	('x', 48213);
 |INSERT INTO public."Audit Log" VALUES
 |	('valice@example.com', 9),
 |	(NULL, NULL);


 |--
 |-- Data for Name: order_lines; Type: TABLE DATA; Schema: public; Owner: -
 |--

 |INSERT INTO public.order_lines VALUES
 |	(1, 1, 'alpha'),
 |	(2, 1, 'beta');
 |INSERT INTO public.order_lines VALUES
 |	(1, 48, 'gamma');


 |--
 |-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: -
 |--

 |INSERT INTO public.orders VALUES
<|	(1, 48213, 48213.00),
>|	(1, NULL, 48213.00),
 |	(2, 7, 1.50);
 |INSERT INTO public.orders VALUES
 |	(3, NULL, 0.00);


 |--
 |-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
 |--

 |INSERT INTO public.users VALUES
-|	(48213, 'alice@example.com', 'Alice O''Neil', '{"user": {"id": 48213}}', '{a,"b c"}', '\x00ff'),
 |	(7, 'bob@example.net', 'Bob', NULL, '{}', NULL);
 |INSERT INTO public.users VALUES
-|	(8, 'dan@example.org', 'Dan', '{"note": "tab\tmail:alice@example.com"}', NULL, '\x616c696365406578616d706c652e636f6d'),
 |	(9, 'eve@example.net', 'Eve', '{"note": "line\nmalice@example.com"}', '{"back\\\\slash"}', '\x48213a');


 |--
 |-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
 |--

 |ALTER TABLE ONLY public.orders
 |    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


 |--
 |-- Name: users users_email_key; Type: CONSTRAINT; Schema: public; Owner: -
 |--

 |ALTER TABLE ONLY public.users
 |    ADD CONSTRAINT users_email_key UNIQUE (email);


 |--
 |-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
 |--

 |ALTER TABLE ONLY public.users
 |    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


 |--
 |-- Name: order_lines order_lines_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
 |--

 |ALTER TABLE ONLY public.order_lines
 |    ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id) ON DELETE CASCADE;


 |--
 |-- Name: orders orders_buyer_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
 |--

 |ALTER TABLE ONLY public.orders
 |    ADD CONSTRAINT orders_buyer_fkey FOREIGN KEY (buyer) REFERENCES public.users(id);


 |--
 |-- PostgreSQL database dump complete
 |--

 |\unrestrict 0123456789abcdef'''

MARIADB = r''' |/*M!999999\- enable the sandbox mode */ 
 |-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
 |--
 |-- Host: localhost    Database: small
 |-- ------------------------------------------------------
 |-- Server version	10.11.19-MariaDB-0+deb12u1

 |/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
 |/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
 |/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
 |/*!40101 SET NAMES utf8mb4 */;
 |/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
 |/*!40103 SET TIME_ZONE='+00:00' */;
 |/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
 |/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
 |/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
 |/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

 |--
 |-- Table structure for table `orders`
 |--

 |DROP TABLE IF EXISTS `orders`;
 |/*!40101 SET @saved_cs_client     = @@character_set_client */;
 |/*!40101 SET character_set_client = utf8mb4 */;
 |CREATE TABLE `orders` (
 |  `id` int(11) NOT NULL,
 |  `buyer` int(10) unsigned NOT NULL,
 |  PRIMARY KEY (`id`),
 |  KEY `buys` (`buyer`),
 |  CONSTRAINT `buys` FOREIGN KEY (`buyer`) REFERENCES `users` (`id`)
 |) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
 |/*!40101 SET character_set_client = @saved_cs_client */;

 |--
 |-- Dumping data for table `orders`
 |--

 |LOCK TABLES `orders` WRITE;
 |/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
 |INSERT INTO `orders` VALUES
<|(2,7),
>|(2,7);
-|(3,8),
-|(1,48213);
 |/*!40000 ALTER TABLE `orders` ENABLE KEYS */;
 |UNLOCK TABLES;

 |--
 |-- Table structure for table `users`
 |--

 |DROP TABLE IF EXISTS `users`;
 |/*!40101 SET @saved_cs_client     = @@character_set_client */;
 |/*!40101 SET character_set_client = utf8mb4 */;
 |CREATE TABLE `users` (
 |  `id` int(10) unsigned NOT NULL,
 |  `email` varchar(80) DEFAULT NULL,
 |  `note` text DEFAULT NULL,
 |  `pic` blob DEFAULT NULL,
 |  PRIMARY KEY (`id`),
 |  UNIQUE KEY `email` (`email`)
 |) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
 |/*!40101 SET character_set_client = @saved_cs_client */;

 |--
 |-- Dumping data for table `users`
 |--

 |LOCK TABLES `users` WRITE;
 |/*!40000 ALTER TABLE `users` DISABLE KEYS */;
 |INSERT INTO `users` VALUES
 |(7,'bob@example.net','O\'Neil; \\',0x00FF),
-|(8,'dan@example.org','to:\'Alice@Example.com\'',NULL),
-|(9,'eve@example.net','x\Zalice@example.com',NULL),
<|(10,'fay@example.net','malice@example.com',0x5C616C696365406578616D706C652E636F6D6D756E697479),
>|(10,'fay@example.net','malice@example.com',0x5C616C696365406578616D706C652E636F6D6D756E697479);
-|(48213,'alice@example.com',NULL,'');
 |/*!40000 ALTER TABLE `users` ENABLE KEYS */;
 |UNLOCK TABLES;
 |/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

 |/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
 |/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
 |/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
 |/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
 |/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
 |/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
 |/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

 |-- Dump completed on 2026-11-21  0:00:00'''

SQLITE = r''' |PRAGMA foreign_keys=OFF;
 |BEGIN TRANSACTION;
 |CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, note, blob BLOB, key TEXT);
-|INSERT INTO users VALUES(48213,'alice@example.com',replace('it''s\ntwo lines','\n',char(10)),X'616c',NULL);
 |INSERT INTO users VALUES(48214,'bob@example.com',replace(replace('back\n and\012012 \r','\r',char(13)),'\012',char(10)),15000000000.0,'k');
-|INSERT INTO users VALUES(48215,'carol@example.net',replace('mail:\012alice@example.com \n','\012',char(10)),-1e999,NULL);
 |CREATE TABLE [odd table]("a b" int, 'c' text, gen int AS (1+2), uid int REFERENCES users(id) ON DELETE SET NULL);
-|INSERT INTO "odd table" VALUES(1,'x',48213);
 |INSERT INTO "odd table" VALUES(2,'y',48214);
 |CREATE TRIGGER tr AFTER INSERT ON users WHEN new.id = 99 BEGIN INSERT INTO [odd table]("a b") VALUES (CASE WHEN 1 THEN 2 ELSE 3 END); END;
 |COMMIT;'''

REDACT = r''' |CREATE TABLE contacts (
 |    n integer,
 |    mail character varying(30),
 |    short character varying(4),
 |    fixed character varying(4) NOT NULL,
 |    ref uuid,
 |    must uuid NOT NULL,
 |    addr inet,
 |    facts jsonb,
 |    tags text[],
 |    refs uuid[],
 |    photo bytea
 |);
 |COPY contacts (n, mail, short, fixed, ref, must, addr, facts, tags, refs, photo) FROM stdin;
<|1	alice@example.com	usr7	usr7	9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d	9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d	203.0.113.7	{"a": "x\\\\alice@example.com", "user": {"id": 48213}}	{a,"b c",alice@example.com}	{NULL,9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d}	\\x616c696365406578616d706c652e636f6d
>|1	ERASED	\N	ERAS	\N	00000000-0000-0000-0000-000000000000	\N	{"a": "x\\\\ERASED", "user": {"id": null}}	{a,"b c",ERASED}	{NULL,NULL}	\\x455241534544
 |2	bob@example.net	\N	b	\N	9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0e	203.0.113.70	\N	{}	\N	\N
 |\.
<|INSERT INTO contacts (n, mail, short, fixed) VALUES (3, E'o\'Neil\talice@example.com', 'usr7', 'usr7'), (48213, 'x''alice@example.com', NULL, '');
>|INSERT INTO contacts (n, mail, short, fixed) VALUES (3, E'o\'Neil\tERASED', NULL, 'ERAS'), (48213, 'x''ERASED', NULL, '');
 |INSERT INTO contacts (n, mail, fixed) VALUES (4, lower('Bob'), 'x');'''


ANONYMIZE = r''' |SET standard_conforming_strings = on;
 |CREATE TABLE public.accounts (
 |    id integer NOT NULL,
 |    holder integer,
 |    email character varying(80) NOT NULL,
 |    name text,
 |    born date
 |);
 |CREATE TABLE public.holders (
 |    id integer NOT NULL,
 |    note text
 |);
 |CREATE TABLE public.invoices (
 |    no integer NOT NULL,
 |    account integer NOT NULL,
 |    memo text
 |);
 |CREATE TABLE public.logins (
 |    account integer,
 |    at date
 |);
 |COPY public.accounts (id, holder, email, name, born) FROM stdin;
 |1	1	bob@example.net	Bob	1980-01-01
<|2	2	alice@example.com	Alice\tA.	1981-01-01
>|2	2	ERASED	ERASED	\N
-|3	2	alice@example.com	Alice	1981-01-01
<|4	3	carol@example.org	Carol	1982-01-01
>|4	\N	ERASED	ERASED	\N
-|5	3	dora@example.org	Dora	1983-01-01
 |\.
 |COPY public.holders (id, note) FROM stdin;
 |1	x
 |2	y
-|3	for alice@example.com
 |\.
 |COPY public.invoices (no, account, memo) FROM stdin;
 |100	1	5
 |101	2	5
-|102	3	paid by alice@example.com
 |103	4	5
 |\.
 |COPY public.logins (account, at) FROM stdin;
 |1	2026-01-01
 |2	2026-01-01
<|3	2026-01-01
>|\N	2026-01-01
<|5	2026-01-01
>|\N	2026-01-01
 |\.
 |ALTER TABLE ONLY public.accounts
 |    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);
 |ALTER TABLE ONLY public.holders
 |    ADD CONSTRAINT holders_pkey PRIMARY KEY (id);
 |ALTER TABLE ONLY public.accounts
 |    ADD CONSTRAINT accounts_holder_fkey FOREIGN KEY (holder) REFERENCES public.holders(id) ON DELETE CASCADE;
 |ALTER TABLE ONLY public.invoices
 |    ADD CONSTRAINT invoices_account_fkey FOREIGN KEY (account) REFERENCES public.accounts(id);
 |ALTER TABLE ONLY public.logins
 |    ADD CONSTRAINT logins_account_fkey FOREIGN KEY (account) REFERENCES public.accounts(id);
 |'''

DUMP_CASES: List[Case] = [
    Case(
        "sql-pg-copy",
        "sql",
        "pg_dump's COPY. `users.id` is an identifying column; the e-mail counts anywhere, in JSON and as a bytea's bytes too. The order's buyer"
        " referred to a row that went: NULL, since ON DELETE says nothing and the column takes it. Constraints stand behind the rows. `valice@`"
        " and a line's `malice@` are others.",
        [ALICE_ID_AND_MAIL],
        pieces(COPY),
    ),
    Case(
        "sql-pg-inserts",
        "sql",
        "The same rows by `pg_dump --inserts --rows-per-insert=2`: a tuple that goes takes its comma, the last one the comma before it.",
        [ALICE_ID_AND_MAIL],
        pieces(INSERTS),
    ),
    Case(
        "sql-mariadb",
        "sql",
        "mariadb-dump with --hex-blob. A backslash escapes: `\\'Alice@`, and `\\Z` is a byte of its own. Orders refer by a column that takes no"
        " NULL and go with their buyers.",
        [ALICE_ID_AND_MAIL],
        pieces(MARIADB),
    ),
    Case(
        "sql-sqlite",
        "sql",
        "SQLite's `.dump`: line feeds come as `replace(…,char(10))` with a mark that may be `\\012`. An INSERT that loses its only tuple goes whole.",
        [ALICE_ID_AND_MAIL],
        pieces(SQLITE),
    ),
    Case(
        "redact-sql",
        "sql",
        "Edits in place: in each value's own escapes, and NULL where the type cannot hold the word; a uuid that must not be NULL becomes zeros, a"
        " text of four characters is cut. Elements of arrays and members of JSON are edited by themselves.",
        [erase("sub_01", *[(i["type"], i["value"]) for i in ALICE["identifiers"]], ("literal", "usr7"))],
        pieces(REDACT),
        policy='[[rule]]\naction = "redact"\n',
    ),
    Case(
        "sql-anonymize",
        "sql",
        "Accounts with invoices stay without their personal columns, whether they are hers or would go with their holder; those without an"
        " invoice go, and one whose invoice names her itself.",
        [erase("sub_01", ("email", "alice@example.com"))],
        pieces(ANONYMIZE),
        policy='[[rule]]\ntables = ["accounts"]\nerase_fields = { email = "redact", name = "redact", born = "null" }\n'
        '[[foreign_key]]\nfrom = "invoices.account"\nto = "accounts.id"\naction = "anonymize"\n',
    ),
]
