"""A small catalog to try things on: a bakery's customers, products and orders, and what
``mcp.engine`` has, so that its answers stay the same.
"""

CATALOG, SCHEMA = "samples", "bakery"
SCHEMAS = (SCHEMA, "nyctaxi", "bakehouse")
WAREHOUSE = {
    "name": "Starter Warehouse",
    "cluster_size": "2X-Small",
    "enable_serverless_compute": True,
    "auto_stop_mins": 10,
}
STATEMENTS = (
    "CREATE TABLE samples.bakery.products (product_id INT, name STRING, price DECIMAL(6,2))",
    """INSERT INTO samples.bakery.products VALUES
        (1, 'Sourdough', 5.20), (2, 'Rye bread', 4.80), (3, 'Pretzel', 1.40), (4, 'Bun', 0.90),
        (5, 'Croissant', 2.30), (6, 'Plum cake', 3.60), (7, 'Apple tart', 3.90),
        (8, 'Baguette', 2.70)
    """,
    "CREATE TABLE samples.bakery.customers (customer_id INT, name STRING, city STRING, since DATE)",
    """INSERT INTO samples.bakery.customers
        SELECT n, 'Customer ' || n, ['Porto', 'Graz', 'Lyon', 'Turku', 'Ghent'][n % 5 + 1],
               DATE '2024-01-01' + CAST(n * 7 % 500 AS INT) FROM range(1, 61) AS t(n)
    """,
    """CREATE TABLE samples.bakery.orders
        (order_id BIGINT, customer_id INT, product_id INT, quantity INT, ordered_at TIMESTAMP)
    """,
    """INSERT INTO samples.bakery.orders
        SELECT n, n * 31 % 60 + 1, n * 7 % 8 + 1, n % 4 + 1,
               TIMESTAMP '2026-01-01 06:00:00' + INTERVAL (n * 97) MINUTE
        FROM range(1, 2001) AS t(n)
    """,
    """CREATE TABLE samples.nyctaxi.trips (trip_id INT, pickup_zip STRING, dropoff_zip STRING,
        trip_distance DOUBLE, fare_amount DOUBLE)
    """,
    """INSERT INTO samples.nyctaxi.trips
        SELECT n, printf('100%02d', n % 7), printf('100%02d', n % 11),
               round(0.5 + (n * 37 % 100) / 10.0, 1), round(3.0 + (n * 37 % 100) / 4.0, 2)
        FROM range(200) AS t(n)
    """,
    """CREATE TABLE samples.bakehouse.franchises
        (franchise_id INT, name STRING, city STRING, revenue DOUBLE)
    """,
    """INSERT INTO samples.bakehouse.franchises VALUES (1, 'Golden Crumbs', 'Lisbon', 81250.5),
        (2, 'Rye and Shine', 'Oslo', 64300.0), (3, 'Baked Bliss', 'Tokyo', 99120.25)
    """,
)
