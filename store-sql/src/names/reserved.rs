//! Words that are no names.

/// What the names of the databases' own tables begin with.
pub(super) const SYSTEM_PREFIXES: [&str; 4] = ["pg_", "sqlite_", "information_schema", "performance_schema"];

/// The words that PostgreSQL, MariaDB, MySQL or SQLite reserve, and the two that the store's statements use for
/// something of their own where a table could be meant (`names`).
const RESERVED: &str = "
    abort accessible account action add after aggregate all alter always analyse analyze and any array as asc asensitive
    asymmetric atomic attach authorization autoincrement
    before begin between bigint binary blob both by
    call cascade case cast change char character check cluster collate collation column commit concurrently condition
    conflict constraint continue convert create cross cube cume_dist current current_catalog current_date current_role
    current_schema current_time current_timestamp current_user cursor
    database databases day_hour day_microsecond day_minute day_second dec decimal declare default deferrable deferred
    delayed delete dense_rank desc describe detach deterministic distinct distinctrow div do_domain_ids do double drop dual
    each else elseif empty enclosed end escape escaped except exclude exclusive exists exit explain
    fail false fetch filter first_value float float4 float8 following for force foreign freeze from full fulltext function
    generated get glob global grant group grouping groups
    having high_priority hour_microsecond hour_minute hour_second
    if ignore ilike immediate in index indexed infile initially inner inout insensitive insert instead int int1 int2 int3
    int4 int8 integer intersect interval into io_after_gtids io_before_gtids is isnull iterate
    join json_table
    key keys kill
    lag last_value lateral lead leading leave left like limit linear lines load local localtime localtimestamp lock long
    longblob longtext loop low_priority
    manual master_bind master_heartbeat_period master_ssl_verify_server_cert match materialized maxvalue mediumblob
    mediumint mediumtext middleint minute_microsecond minute_second mod modifies
    names natural no no_write_to_binlog not nothing notnull nth_value ntile null nulls numeric
    of off offset on only optimize optimizer_costs option optionally or order others out outer outfile over overlaps
    page_checksum parallel parse_vcol_expr partition percent_rank placing plan portion pragma preceding precision primary
    procedure purge
    qualify query
    raise range rank read read_write reads real recursive ref_system_id references referencing regexp reindex release
    rename repeat replace require resignal restrict return returning revoke right rlike roles rollback row row_number rows
    savepoint schema schemas second_microsecond select sensitive separator session_user set show signal similar
    smallint some spatial specific sql sql_big_result sql_calc_found_rows sql_small_result sqlexception sqlstate
    sqlwarning ssl starting stats_auto_recalc stats_persistent stats_sample_pages stored straight_join symmetric
    system system_user
    table tablesample temp temporary terminated then ties tinyblob tinyint tinytext to trailing transaction trigger true
    unbounded undo union unique unlock unsigned update usage use user using utc_date utc_time utc_timestamp
    vacuum values varbinary varchar varcharacter variadic varying vector verbose view virtual
    when where while window with within without write
    xor year_month zerofill
";

/// Whether a word, in small letters, cannot be the name of a table.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.split_ascii_whitespace().any(|reserved| reserved == word)
}
