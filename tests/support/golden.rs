//! Texts that an earlier version has sealed, all under TEST ONLY keys, with what is in them beside: they must open for ever.
//! Never make them anew; a new format gets texts of its own.

/// The session cookie.
pub const COOKIE: &str = "bAtJ3TfCe8Q6o4F1CSU422yCpWLLgI0Q1jK-ichRPr9skp803fqMn-mG6fHQ-HOv";
/// Where its record is in KV.
pub const RECORD_KEY: &str = "session/bAtJ3TfCe8Q6o4F1CSU42w/ePf1TYMETfNL2MvCqXmYx51gOzdSDMVd_RTOJlVr5Q0";
/// The record, of format 1.
pub const RECORD: &str = "AQJ2MWPJlg7240ijUoyKP8wvBE45o_xblEkvj5wK0TzbM8Q25mCTdv85KfN3R7hRLmxqrc62TUg0Kee6-fvewnKU8PK2TQVeLoeQfNN8GcQIDRKiat94\
    yj-lk01RxletwCT6EiLIGzcA29IzcHslKt7NwD49rwqENk1r6FOJQ89CxHnvB2-OyDWh1cVlf3-daerisBo4gklRVIWCi8_HIWEpNprZJuaMYccGSfTc\
    qBl4WbRa1ef-nHg9JFmE9OTszf3yIpX9xKqnBP2giHW8HX4_3geuljW9q9RkKXUXDVHJ5ujtlYWyJYYfB7QR5NG4QTRrw4O0qj5XoQ1Q9MFEjBV6kpVE\
    C_q_wrUbdC0IUaKQHpRmDAD7rdLECu_COsV2Gdtyygb7F-d9d2NcdCq_6DZpUj5yqVq7sCJUMVOVFxlgqy3eA5rp4TgMBXuPSKQjt8ZyKBFhiWAXOZQ7\
    Y-X8ZqiaGj9PR2oxqXfZNbq8NIs-rAwX6cvL6jceacHWcdk_3tG6gAfKDHlAQfHNZ_8qVEdtXHJAtOWaZPoBOP1PCqrg8Mhme-Jrnkv1hlvTHn9N2rOw\
    62DvBAJVBlqU3dgBag0m-Bsaz1F4Q63N-Yd7W6nM2Fjvldiq48GYXgWR0mBSBcOCHJssL0zOjodZm9DVsCJ4SxWj9YinjRRnqUMFoaB0v1C8YK2n_oHW\
    ViNOAIW2u-QnOexmTiA4hFK1N2qf0Zi8IkLvnG9bpv_PNCoRe8nj29SOms5p9zjhjAgWe8Lu4XO8E05kOi2jqQSkKXEu2fvCAoFmUufHFJnk1nc5sWTa\
    -E0ayrZQ-ndwauIFlQ";
/// What is in it.
pub const RECORD_TEXT: &str = r#"{"issuer":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123","subject":"user-1",
    "client_id":"1example23456789abcdefghij","profile":{"email":"alice@example.com","email_verified":true,"name":null,
    "given_name":null,"family_name":null,"preferred_username":null,"username":"alice","groups":["admin"]},
    "auth_time":1759999999,"nonce":"golden-nonce","access_token":"golden-access-token","refresh_token":"golden-refresh-token",
    "created_at":1760000000,"renewed_at":1760000000,"access_issued_at":1760000000,"access_expires_at":1760003600,
    "expires_at":1760432000,"version":1}"#;

/// The state of the login flow, the nonce in it, and the name of its cookie.
pub const STATE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub const NONCE: &str = "golden-nonce";
pub const FLOW_COOKIE: &str = "__Host-login-nGi3tGV1CeL4TMaC";
/// The flow's cookie as it was before flows said whether a session cookie was at hand.
pub const FLOW_WITHOUT_AGAIN: &str = "AQJ2MQMudUmiAJj5W-_WEkiiPNeoFog56R-ANWJCZkZxAHJGo6kEZIX5bpppilw5vYBUiIWr1HCQfbj18IxT1RklWntDDKQs7JabK_4cmJYK5HoADiKY\
    DBvgftuXfhpFlIG_UYXtpj6QhzDN3aN0nYwUhJGfJ7U4Lp_WJ4ZHVbfF88LASVddhcH5g9Po6Kg0RTnkWMNpFNYAnKDjgwhXmhZCu3bHAJScjLh3EIcp\
    fAtUSPELdHVFo7s2npE1jpFd98ezTnBVkW_PBuj-XTe1J1pDhGWXHBYh4qvhBNlPcdw_uR44ub9zE86nSZXJyX1X_Q";
pub const FLOW_WITHOUT_AGAIN_TEXT: &str = r#"{"state":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","nonce":"golden-nonce",
    "verifier":"golden-verifier-golden-verifier-golden-verifier","return_path":"/app/?view=golden","expires_at":1760000600}"#;
/// And with it.
pub const FLOW: &str = "AQJ2MVj6yfYJXZySeRlwEyNCqgQWi60K5tuxhdGBc98bFMhMcZCnRfjt6cEGiU-0bj1TlbEKuqaGn6S1PRsAcOpBmXTlZtE7ubvVRJO2HgFi0gjl7vkg\
    DpeuSkJ7bJLjtIlIgwC5eWsQ8fB8TY2NYauhCivBdNGSq-2BXJ3V3Vv-5loPLw-8CxLF1t7ekW8KeSt18EWRZHN5Jssgmc6KC2o6Zqkp1FaZeTlg2n-G\
    9O8Ksq7AEy4CB4LcRZj0tEDCfz580cRgy-3DR2s7MIz5QxjSWQpctt7YUqHND2HsXzdg14JV5VpFzbiirHZIbz0vMVizJUtiNi977gwswjM";
pub const FLOW_TEXT: &str = r#"{"state":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","nonce":"golden-nonce",
    "verifier":"golden-verifier-golden-verifier-golden-verifier","return_path":"/app/?view=golden","expires_at":1760000600,
    "again":true}"#;
