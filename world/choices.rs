//! What customers of a world choose from: categories, devices, ways to pay; and their cities.

/// Purchase categories. Those after the first four are not in the default configuration and count
/// as `other` there.
pub const CATEGORIES: [&str; 7] =
    ["Electronics", "Fashion", "Groceries", "Travel", "Home", "Beauty", "Books"];

/// Devices.
pub const DEVICES: [&str; 3] = ["Mobile", "Desktop", "Tablet"];

/// Payment methods; the last one is not in the default configuration.
pub const PAYMENTS: [&str; 4] = ["Credit Card", "Debit Card", "E-wallet", "Cash on Delivery"];

/// Cities.
pub const CITIES: [&str; 10] = [
    "Mumbai",
    "Delhi",
    "Bengaluru",
    "Hyderabad",
    "Chennai",
    "Kolkata",
    "Pune",
    "Ahmedabad",
    "Jaipur",
    "Lucknow",
];
